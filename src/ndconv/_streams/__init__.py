"""Filters whose signal comes in chunks."""
