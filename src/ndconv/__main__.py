"""``python -m ndconv script.py arguments...`` runs a script with drop-ins in the place of SciPy's functions."""

import argparse
import os
import runpy
import sys

from ._patch import MIN_SIZE, patch_scipy


def main() -> None:
    """Run the script that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m ndconv", description="Run a script with ndconv in the place of SciPy's functions."
    )
    parser.add_argument("--min-size", type=int, default=MIN_SIZE, help="calls of fewer samples stay with SciPy")
    parser.add_argument("--verbose", action="store_true", help="tell which modules hold drop-ins")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="the script's own")
    options = parser.parse_args()
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(options.script))
    with patch_scipy(min_size=options.min_size, verbose=options.verbose):
        runpy.run_path(options.script, run_name="__main__")


if __name__ == "__main__":
    main()
