"""What the drop-ins for SciPy share: the calls that are left to it, and whether arrays are finite."""
