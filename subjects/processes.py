"""The subjects of one process of any session: its signs of life, and orders to it."""

from __future__ import annotations

from schemas.claim import DrainAsked, Presence
from subjects.catalog import CATALOG


def presence_subject(cell: str, role: str, worker: str) -> str:
    """Return the subject of a worker's sign of life; ``*`` for all."""
    return CATALOG[Presence].pattern.format(cell=cell, role=role, worker=worker)


def order_subject(cell: str, role: str, worker: str) -> str:
    """Return the subject of a person's orders to one worker."""
    return CATALOG[DrainAsked].pattern.format(cell=cell, role=role, worker=worker)


def present_of(subject: str) -> str:
    """Return the name of the process whose sign of life comes on this subject."""
    return subject.rsplit(".", 1)[1]
