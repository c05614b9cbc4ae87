"""The subjects on which a process hears what is meant for it alone."""

from __future__ import annotations

from subjects.catalog import ROOT


def inbox_of(user: str) -> str:
    """Return the head of the subjects on which one user of the bus takes answers."""
    return f"_INBOX_{user}"


def edge_inbox(cell: str, edge: str) -> str:
    """Return the wildcard on which one edge hears all of its sessions."""
    return f"{ROOT}.{cell}.dn.{edge}.>"
