"""Correlation and convolution without channels: a kernel that slides along axes."""
