"""Telephone calls onto the bus: what exchanges and carriers speak, at the pace of a telephone."""
