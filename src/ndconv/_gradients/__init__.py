"""Backwards: the gradients of layers."""
