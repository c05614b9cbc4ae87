"""Reading a stream's past with one batched direct get: no consumer, a few milliseconds.

Source: NATS ADR-31, https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from voicebus.bus.copies import MESSAGE_ID
from voicebus.errors import BusError
from voicebus.tracing.context import HEADER


class Recorded(Struct, frozen=True):
    """A message as a stream keeps it.

    Fields
        subject: Where it was published.
        sequence: Its place in the stream.
        stored_ns: When the stream stored it, in ns since 1970.
        payload: The message, encoded.
        message_id: Its id, if it has one.
        trace: Its ``traceparent``, if it has one.
    """

    subject: str
    sequence: int
    stored_ns: int
    payload: bytes
    message_id: str = ""
    trace: str = ""


class BatchRequest(Struct, omit_defaults=True, kw_only=True):
    """Body of a batched direct get."""

    batch: int
    next_by_subj: str
    seq: int = 0
    start_time: str = ""


class Batch:
    """Collects the answers of one batched direct get."""

    def __init__(self) -> None:
        self.messages: list[Recorded] = []
        self.pending = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, headers: Mapping[str, str], payload: bytes) -> None:
        """Take one answer: a message, or the status that ends the batch."""
        status = headers.get("Status")
        if "Nats-Sequence" in headers:  # whatever else its sender wrote into its head
            self.messages.append(_recorded(headers, payload))
            return
        if self.done.done():
            return
        if status in ("204", "404"):  # end of batch, nothing found
            self.pending = int(headers.get("Nats-Num-Pending") or 0) if status == "204" else 0
            self.done.set_result(None)
        else:
            self.done.set_exception(_refusal(headers))


def newest(headers: Mapping[str, str], payload: bytes) -> Recorded | None:
    """Return what a direct get for a subject's last message answered; None: there is none.

    Raises:
        BusError: The stream does not say.
    """
    if "Nats-Sequence" in headers:
        return _recorded(headers, payload)
    if headers.get("Status") == "404":
        return None
    raise _refusal(headers)


def _recorded(headers: Mapping[str, str], payload: bytes) -> Recorded:
    return Recorded(
        subject=headers["Nats-Subject"],
        sequence=int(headers["Nats-Sequence"]),
        stored_ns=parse_time_ns(headers["Nats-Time-Stamp"]),
        payload=payload,
        message_id=headers.get(MESSAGE_ID, ""),
        trace=headers.get(HEADER, ""),
    )


def _refusal(headers: Mapping[str, str]) -> BusError:
    return BusError(f"the log cannot be read: {headers.get('Description', 'no answer')}")


def encode(request: BatchRequest) -> bytes:
    """Encode the request as the server's API wants it."""
    return msgspec.json.encode(request)


def parse_time_ns(stamp: str) -> int:
    """Parse RFC 3339 with nanoseconds, as the server writes it."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)


def format_time(stamp_ns: int) -> str:
    """Format ns since 1970 as RFC 3339."""
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    whole = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanoseconds:09d}Z"
