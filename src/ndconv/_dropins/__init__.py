"""What the drop-ins for SciPy share: its filters, its integers, its resampling, and what is left to it."""
