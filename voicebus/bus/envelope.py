"""What is taken for a message, and what is not: nobody can have the bus speak in another's name.

Whoever asks JetStream for something says where the answer is to go, and the server delivers it
there with rights of its own. An acknowledgement, or a message out of the log, can so be sent to a
subject that its sender may not publish on. A message counts only where messages of its kind belong,
and only when it was published there. A sign of life counts only for the process that its subject
names: nobody can be said to be full, stopped or there by somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.claim import Presence
from schemas.codec import MalformedMessage, decode
from schemas.event import Event
from subjects.catalog import belongs
from subjects.processes import is_own
from voicebus import metrics

HEARD_BEFORE: Final = "Voicebus-Heard-Before"
"""Header of a copy that is published for the store, and for those who were not there for the
first: see :mod:`voicebus.bus.recorder`."""

_OUT_OF_A_STREAM: Final = "Nats-Stream"
"""Header of every message that the server reads out of a stream for somebody."""


def opened(subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> Event | None:
    """Return the message that came on a subject; None, and counted, when it is none.

    Args:
        subject: Where it came.
        payload: What came.
        headers: What came with it, for what is received live.
    """
    if headers is None or _OUT_OF_A_STREAM not in headers:
        try:
            event = decode(payload)
        except MalformedMessage:
            pass
        else:
            if belongs(type(event), subject) and _is_own(event, subject):
                return event
    metrics.BUS_MALFORMED.inc()
    return None


def _is_own(event: Event, subject: str) -> bool:
    return not isinstance(event, Presence) or is_own(event, subject)
