"""Measurements of the running system, and their results."""
