"""Edges: clients onto the bus. No model and no conversation logic lives here."""
