"""A job as JetStream hands it out, and the verbs that settle it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
TERM: Final = b"+TERM"
IN_PROGRESS: Final = b"+WPI"


class Delivery(Struct, frozen=True):
    """A job that was handed to this worker.

    Fields
        subject: The job's subject, which says whose it is.
        payload: The request, encoded.
        ack: Subject that takes the verbs above.
        attempt: 1 for the first delivery.
        sequence: The job's sequence in its stream.
        stored_ns: When the stream stored it, in ns since 1970 (the server's clock).
        trace: The ``traceparent`` that came with it; empty: none did.
    """

    subject: str
    payload: bytes
    ack: str
    attempt: int
    sequence: int
    stored_ns: int
    trace: str = ""


def parse(subject: str, payload: bytes, ack: str, trace: str = "") -> Delivery:
    """Read what the acknowledgement subject says about the delivery.

    Two forms exist: nine tokens, and twelve with domain and account before the stream and a random
    token at the end.

    Raises:
        ValueError: It has another form.
    """
    tokens = ack.split(".")
    if tokens[:2] != ["$JS", "ACK"] or len(tokens) not in (9, 11, 12):
        raise ValueError(f"not an acknowledgement subject: {ack!r}")
    first = 4 if len(tokens) == 9 else 6
    attempt, sequence, _, stored_ns = (int(token) for token in tokens[first : first + 4])
    return Delivery(subject, payload, ack, attempt, sequence, stored_ns, trace)
