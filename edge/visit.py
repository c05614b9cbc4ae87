"""A caller who is inside: what it may still do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from edge import wire
from edge.buckets import Bucket
from edge.budgets import Left, Meter, Uploads
from edge.clock import now_s
from edge.guest import Standing
from edge.resumption import Ticket
from edge.settings import EdgeSettings
from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta
from schemas.turn import TurnStarted
from voicebus.conversations import owner
from voicebus.errors import LimitReached, ProtocolError
from voicebus.keys import Key

_BURST_S: Final = 10.0
"""Frames of that time may come at once."""

_NOTICE_EVERY_S: Final = 5.0
_CHARACTERS_PER_TOKEN: Final = 4
"""A guess, until the end of a reply says how many there were."""

Report = Callable[[ProtocolError], None]
"""Tells the client."""


class Visit:
    """One connection or request of a caller. Made by :meth:`edge.access.Door.enter`.

    Args:
        settings: The limits of a session.
        shares: The meters of those on whose account it goes: the address, and the key.
        standing: Why it may be inside.
        subprotocol: What the answer to the WebSocket handshake names.
        uploads: What is being uploaded, by this caller and others.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        shares: tuple[Meter, ...],
        standing: Standing,
        subprotocol: str | None,
        uploads: Uploads,
    ) -> None:
        self.subprotocol: Final = subprotocol
        self._standing = standing
        self._uploads = uploads
        self._uploaded = 0
        self._is_connected = True
        self._idle_s = settings.idle_s
        self._codes_per_min = settings.codes_per_min
        self._shares = shares
        self._session = Meter(settings.of_session(), "this session")
        self._messages = _frames(settings.messages_per_s)
        self._frames = _frames(settings.frames_per_s)
        self._seen_s = now_s()
        self._notice_s = 0.0
        self._turn = 0
        self._over: set[int] = set()
        self._counted: dict[tuple[int, int], int] = {}
        for meter in shares:
            meter.connections += 1

    @property
    def key(self) -> Key | None:
        """The key on whose account it goes; None where none is needed."""
        return self._standing.key

    @property
    def owner(self) -> str:
        """Who it is, for its conversations."""
        return owner(*self._standing.owner)

    @property
    def named(self) -> dict[str, str]:
        """Who it is, for logs."""
        return self._standing.named

    def terms(self, asked: wire.Start) -> wire.Start:
        """Return how a session of this caller is to be."""
        return self._standing.terms(asked)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[None]:
        """Count a session while the context lasts.

        Raises:
            LimitReached: ``too_many_sessions``.
        """
        with contextlib.ExitStack() as stack:
            for meter in self._shares:
                meter.open_session()
                stack.callback(_close_session, meter)
            yield

    @contextlib.contextmanager
    def returnable(self, ticket: Ticket | None) -> Iterator[None]:
        """Count a session to which its client may come back while the context lasts.

        Args:
            ticket: Knows the client again; None: it will not come back.
        """
        shares = () if ticket is None else self._shares
        for meter in shares:
            meter.returnable += 1
        try:
            yield
        finally:
            for meter in shares:
                meter.returnable -= 1

    def expect_room(self) -> None:
        """Ask whether a connection that is not for coming back is within the caller's share.

        Raises:
            LimitReached: ``too_many_connections``.
        """
        for meter in self._shares:
            meter.expect_room()

    def try_code(self) -> None:
        """Count a link code that it tries.

        Raises:
            LimitReached: ``too_many_codes``.
        """
        for meter in self._shares:
            meter.try_code(self._codes_per_min, now_s())

    def disconnect(self) -> None:
        """The connection is of no more use, whatever becomes of its session."""
        if self._is_connected:
            self._is_connected = False
            for meter in self._shares:
                meter.connections -= 1

    def upload(self, size: int) -> None:
        """Count bytes of a recording that came; they are kept until the visit ends.

        Raises:
            Busy: They are too much beside those of others.
        """
        self._uploads.take(size)
        self._uploaded += size

    def end(self) -> None:
        """Nothing is kept of the visit any more."""
        self.disconnect()
        self._uploads.give_back(self._uploaded)
        self._uploaded = 0

    def check(self) -> None:
        """Ask whether the caller may stay.

        Raises:
            AccessDenied: ``key_revoked``, or what answers for a guest says so.
            ProtocolError: ``idle``: it has sent nothing for too long.
        """
        self._standing.expect_stay()
        if self._idle_s and now_s() - self._seen_s > self._idle_s:
            raise ProtocolError(f"nothing was sent for {self._idle_s:g} s", "idle")

    def excuse(self) -> None:
        """It is not the caller that is silent: nothing of it is read for now."""
        self._seen_s = now_s()

    async def pace_frame(self, frame: object, report: Report) -> None:
        """Wait until a frame that came may be read: who sends faster is read more slowly.

        Args:
            frame: Bytes are audio, everything else is a message.
            report: Tells the client that it is so.
        """
        self._seen_s = at_s = now_s()
        bucket = self._frames if isinstance(frame, bytes) else self._messages
        if wait_s := bucket.spend(1, at_s):
            await self._wait(wait_s, report, "frames come")

    async def pace_audio(self, audio_s: float, report: Report) -> None:
        """Wait until the caller may send more audio, after this much of it."""
        self._seen_s = now_s()  # a long file is read for a long time
        if wait_s := self.hear(audio_s):
            await self._wait(wait_s, report, "seconds of audio come")

    def hear(self, audio_s: float) -> float:
        """Count audio that was taken; return the seconds until more of it may come."""
        at_s = now_s()
        wait_s = 0.0
        for meter in self._shares:
            wait_s = max(wait_s, meter.hear(audio_s, at_s))
        return wait_s

    def expect_audio(self) -> None:
        """Ask whether a recording may be sent.

        Raises:
            LimitReached: ``too_much_audio``.
        """
        if wait_s := self.hear(0.0):
            raise LimitReached("too much audio was sent for now", "too_much_audio", wait_s)

    def expect_turn(self) -> None:
        """Ask whether a turn may begin.

        Raises:
            LimitReached: ``too_many_turns`` or ``too_many_tokens``.
        """
        for meter in (self._session, *self._shares):
            meter.expect_turn(now_s())

    def begin_turn(self) -> None:
        """Count work that begins and belongs to no conversation.

        Raises:
            LimitReached: ``too_many_turns`` or ``too_many_tokens``.
        """
        self.expect_turn()
        for meter in (self._session, *self._shares):
            meter.begin_turn(now_s())

    def left(self) -> dict[str, Left]:
        """Return what the caller may have yet of ``requests`` and ``tokens``: the least counts."""
        at_s = now_s()
        least: dict[str, Left] = {}
        for meter in self._shares:
            for name, left in meter.left(at_s).items():
                known = least.get(name)
                if known is None or left.remaining < known.remaining:
                    least[name] = left
        return least

    def count(self, event: Event) -> list[dict[str, Any]]:
        """Count what the workers did; return what the client is told of a turn that is too much."""
        meters = (self._session, *self._shares)
        try:
            match event:
                case TurnStarted():
                    self._turn = event.turn
                    for meter in meters:
                        meter.begin_turn(now_s())
                case TokenDelta() | GenerationDone():
                    tokens = self._new_tokens(event)
                    for meter in meters:
                        meter.spend_tokens(tokens, now_s())
                    if event.turn == self._turn and isinstance(event, TokenDelta):
                        for meter in meters:
                            meter.expect_tokens(now_s())
        except LimitReached as err:
            if event.turn in self._over:
                return []
            self._over = {event.turn}
            return [{**wire.error(err), "turn": event.turn}]
        return []

    def _new_tokens(self, event: TokenDelta | GenerationDone) -> int:
        """Return how many tokens are to be counted; those of an attempt are guessed, then known."""
        attempt = (event.turn, event.revision)
        if isinstance(event, GenerationDone):
            guessed = self._counted.pop(attempt, 0)
            return event.tokens - guessed if event.tokens else 0
        if len(self._counted) > 64:  # attempts that were cancelled never end
            self._counted.clear()
        tokens = -(-len(event.text) // _CHARACTERS_PER_TOKEN)
        self._counted[attempt] = self._counted.get(attempt, 0) + tokens
        return tokens

    async def _wait(self, wait_s: float, report: Report, what: str) -> None:
        """Wait, and say so now and then: a client that is gone is noticed by sending."""
        until_s = now_s() + wait_s
        while (left_s := until_s - now_s()) > 0:
            if now_s() >= self._notice_s:
                self._notice_s = now_s() + _NOTICE_EVERY_S
                slowed = f"{what} faster than allowed; they are read more slowly from here on"
                report(ProtocolError(slowed, "too_fast"))
            await asyncio.sleep(min(left_s, _NOTICE_EVERY_S))
            self.excuse()


def _frames(per_s: float) -> Bucket:
    return Bucket(per_s * 60, per_s * _BURST_S)


def _close_session(meter: Meter) -> None:
    meter.sessions -= 1
