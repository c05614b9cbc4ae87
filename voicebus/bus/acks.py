"""Acknowledgements of recorded messages, tracked aside from the live path.

nats-py's own asynchronous publish leaves futures that never resolve when the server answers with an
error or not at all; here every publication has a deadline, and every outcome is counted. Until then
the message is kept: a connection may break, and :mod:`voicebus.bus.outbox` sends it again. So it
does with audio that a stream did not take because it has no leader.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from subjects.streams import PLACED
from voicebus import metrics, zeros
from voicebus.errors import (
    BusError,
    BusTimeout,
    BusUnavailable,
    Fenced,
    StorageFull,
    WriteInFlight,
)

DEADLINE_S: Final = 10.0
"""Longer than a stream leader's election (6.5 s measured), during which nothing is acknowledged.
The time without a connection does not count."""

GIVE_UP_S: Final = 30.0
"""After this long nobody wants the message any more, whatever became of it."""

KEPT_BYTES: Final = 16 << 20
"""What may wait for its acknowledgement and is kept: several seconds of a busy edge's audio."""

_WRONG_LAST_SEQUENCE: Final = 10071
_IN_FLIGHT: Final = frozenset({10158, 10164})
"""A message of this number, or another fenced write of this claim, is not settled yet."""
_STORE_FULL: Final = frozenset({10023, 10047, 10054, 10077, 10122})

OVERTAKEN_S: Final = 1.0
"""A stream answers in the order in which it was asked: when it has stored what was sent so much
later, what has no answer was lost with the leader before."""

ENDING_S: Final = 2.0
"""A server that is told to end closes its streams before its connections: for a moment it answers
that there is none. What it has answered so is kept for so long, and goes over the next connection.
"""

_SILENT: Final = "the bus did not acknowledge in time"
_GONE: Final = "there was no connection to the bus for too long"
_UNRECORDED: Final = "no stream records this message right now"

Settled = Callable[[int, BusError | None], None]
"""Called once with (stream sequence, None) or (0, error)."""


class ApiError(Struct, frozen=True):
    """The error of a JetStream answer.

    Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference
    """

    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(Struct, frozen=True):
    """JetStream's answer to a publication."""

    stream: str = ""
    seq: int = 0
    error: ApiError | None = None


def error_of(failure: ApiError) -> BusError:
    """Translate JetStream's error to ours."""
    if failure.err_code == _WRONG_LAST_SEQUENCE:
        return Fenced("another worker owns this session now")
    if failure.err_code in _IN_FLIGHT:
        return WriteInFlight("the bus has not settled an earlier write yet")
    if failure.err_code in _STORE_FULL or "insufficient" in failure.description:
        return StorageFull("the bus cannot store more: its limits or its disk are reached")
    if failure.code == 503:
        return BusUnavailable("the bus has no stream for this message right now")
    return BusError(f"the bus refused a message: {failure.description or failure.code}")


class Message(Struct, frozen=True, eq=False):
    """A message as it is handed to the connection.

    Fields
        stream: Its stream, which answers; empty: nobody does.
        subject: Its subject.
        payload: The message, encoded.
        headers: What goes with it; None: nothing.
    """

    stream: str
    subject: str
    payload: bytes
    headers: dict[str, str] | None = None


class _Pending(Struct, eq=False):
    stream: str
    message: Message | None
    settled: Settled | None
    deadline_s: float
    begun_s: float
    expires_s: float
    is_untaken: bool = False


class AckTracker:
    """Remembers what was published and not yet acknowledged. Single-threaded, no I/O.

    Args:
        ending_s: For how long what no stream took is kept for the next connection.

    Attributes:
        kept_bytes: How much of it is kept.
    """

    def __init__(self, ending_s: float = ENDING_S) -> None:
        self.kept_bytes = 0
        self._ending_s = ending_s
        self._pending: dict[int, _Pending] = {}  # in the order in which it was published
        self._next = 0
        self._reached_s: dict[str, float] = {}  # when the time of what is stored would be over
        self._is_paused = False
        self._decoder = msgspec.json.Decoder(PubAck)
        self._ack_s = functools.cache(metrics.BUS_ACK_SECONDS.labels)
        self._begin = functools.cache(zeros.stream)

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, number: int) -> bool:
        return number in self._pending

    def expect(
        self, message: Message, settled: Settled | None, deadline_s: float = DEADLINE_S
    ) -> int:
        """Register a publication and return the number that its answer will carry.

        What is more than :data:`KEPT_BYTES` is not kept: it has its outcome all the same, but
        cannot be sent again.
        """
        self._next += 1
        self._begin(message.stream)
        now_s = time.monotonic()
        size = len(message.payload)
        kept = message if self.kept_bytes + size <= KEPT_BYTES else None
        if kept is not None:
            self.kept_bytes += size
        self._pending[self._next] = _Pending(
            message.stream, kept, settled, deadline_s, now_s, now_s + deadline_s
        )
        return self._next

    def kept(self, after: int) -> Iterator[tuple[int, Message]]:
        """Yield what is kept behind a number, oldest first."""
        for number, pending in list(self._pending.items()):
            if number > after and pending.message is not None and number in self._pending:
                yield number, pending.message

    def pause(self) -> None:
        """The connection is gone: for what is kept, the time does not count."""
        self._is_paused = True

    def resume(self) -> None:
        """The connection is there again: there is as much time for each answer as at first."""
        self._is_paused = False
        now_s = time.monotonic()
        for pending in self._pending.values():
            if pending.message is not None:
                pending.expires_s, pending.is_untaken = now_s + pending.deadline_s, False

    def answer(self, number: int, payload: bytes, no_responders: bool) -> None:  # noqa: FBT001
        """Take the server's answer; unknown and malformed ones are ignored (they may be forged)."""
        pending = self._pending.get(number)
        if pending is None:
            return
        sequence, error = self._outcome(payload, no_responders)
        if isinstance(error, BusUnavailable) and pending.message is not None:
            keep_s = 0.0 if _comes_again(pending) else self._ending_s
            if keep_s or _comes_again(pending):
                pending.expires_s, pending.is_untaken = time.monotonic() + keep_s, True
                return
        if error is None:
            self._reached_s[pending.stream] = pending.expires_s
        self._pop(number)
        self._settle(pending, sequence, error)

    def refuse(self, number: int, error: BusError) -> None:
        """Tell that a message will not be stored, if that is not settled."""
        pending = self._pop(number)
        if pending is not None:
            self._settle(pending, 0, error)

    def forget(self, number: int) -> None:
        """Drop a publication without an outcome: nobody answers, or its publisher was told."""
        self._pop(number)

    def expire(self, now_s: float) -> None:
        """Give up what has waited longer than its deadline, and what nobody wants any more."""
        for number, pending in list(self._pending.items()):
            waits = self._is_paused and pending.message is not None
            is_over = now_s > pending.expires_s and not waits and not _comes_again(pending)
            if is_over or now_s > pending.begun_s + GIVE_UP_S:
                self.refuse(number, _late(pending, waits))

    def overdue(self, now_s: float) -> list[tuple[int, Message]]:
        """Return what is to be sent again over a connection that is well, oldest first.

        Each has as much time for its answer as at first.
        """
        due = []
        for number, pending in self._pending.items():
            reached_s = self._reached_s.get(pending.stream, 0.0)
            is_due = pending.expires_s <= now_s or pending.expires_s + OVERTAKEN_S < reached_s
            if is_due and pending.message is not None and _comes_again(pending):
                pending.expires_s, pending.is_untaken = now_s + pending.deadline_s, False
                due.append((number, pending.message))
        return due

    def _outcome(self, payload: bytes, no_responders: bool) -> tuple[int, BusError | None]:  # noqa: FBT001
        if no_responders:
            return 0, BusUnavailable(_UNRECORDED)
        try:
            ack = self._decoder.decode(payload)
        except msgspec.DecodeError:
            return 0, BusError("the bus sent an answer that is none")
        return ack.seq, error_of(ack.error) if ack.error else None

    def _pop(self, number: int) -> _Pending | None:
        pending = self._pending.pop(number, None)
        if pending is not None and pending.message is not None:
            self.kept_bytes -= len(pending.message.payload)
        return pending

    def _settle(self, pending: _Pending, sequence: int, error: BusError | None) -> None:
        if error is None:
            waited_s = time.monotonic() - pending.begun_s
            self._ack_s(pending.stream).observe(waited_s)
        elif pending.stream:
            metrics.BUS_ACK_FAILURES.labels(pending.stream, error.code).inc()
        if pending.settled is not None:
            pending.settled(sequence, error)


def _comes_again(pending: _Pending) -> bool:
    return pending.stream in PLACED and pending.message is not None


def _late(pending: _Pending, waits: bool) -> BusError:  # noqa: FBT001
    if waits:
        return BusUnavailable(_GONE)
    return BusUnavailable(_UNRECORDED) if pending.is_untaken else BusTimeout(_SILENT)


class Stored:
    """Turns the tracker's call into something to wait for: ``future`` is the stream sequence."""

    def __init__(self) -> None:
        self.future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def settled(self, sequence: int, error: BusError | None) -> None:
        """Take the outcome."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(sequence)
        else:
            self.future.set_exception(error)
