"""What every message on the bus has in common."""

from __future__ import annotations

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """A message on the bus.

    Which session it belongs to is said by its subject, never by its payload.

    Fields
        epoch: Ownership number of the worker that wrote it; receivers drop lower ones.
            0 from those who own nothing (edges).
        turn: Number of the turn within the session, from 1. 0 when it belongs to no turn.
        revision: Number of the attempt at a turn, from 0. A higher one replaces the lower ones.
        seq: Position within the writer's messages of this kind in this turn, from 0.
    """

    epoch: int = 0
    turn: int = 0
    revision: int = 0
    seq: int = 0
