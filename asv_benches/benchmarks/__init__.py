"""Benchmarks of ndconv beside SciPy; `shapes` names the problems, the other modules time them."""
