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


def is_own(presence: Presence, subject: str) -> bool:
    """Say whether a sign of life is that of the process which its subject names.

    Permissions bind the subject. What the message says of its sender is only what somebody wrote.
    """
    return subject.split(".")[-2:] == [presence.role, presence.worker]
