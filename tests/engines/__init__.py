"""Engines as they really are, in environments of their own: `make engines-test`."""
