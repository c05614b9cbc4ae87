"""Traces of turns through all processes; off, and without cost, unless an endpoint is set."""
