"""On the way to the client: what is sent in which order, and what the workers learn of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final

from edge import wire
from edge.clock import now_s
from edge.known import Known
from edge.outbox import Outbox, Parcel
from edge.playback import Playback
from edge.resumption import Kept
from schemas.event import Event

Publish = Callable[[Event], Awaitable[None]]


class Delivery:
    """Sends one client what it is told, and follows what it hears of it.

    Args:
        outbox: Where it waits.
        publish: Tells the workers something.
        playback: Follows what is heard; None when nobody waits to know it.
        kept: Numbers the frames and keeps them; None for a client that will not come back.
        known: What the client has from another edge.

    Attributes:
        quiet: Set while no turn runs.
    """

    def __init__(
        self,
        outbox: Outbox,
        publish: Publish,
        playback: Playback | None,
        kept: Kept | None = None,
        known: Known | None = None,
    ) -> None:
        self._outbox = outbox
        self._publish = publish
        self._kept = kept
        self._known = known or Known()
        self._follows = playback is not None
        self._playback = playback or Playback()
        self._speaking = 0
        self._ms_per_byte = 0.0
        self._paused = 0
        self._sleeps_until_s: float | None = None
        self._woken = asyncio.Event()
        self.quiet: Final = asyncio.Event()
        self.quiet.set()

    def put(self, told: wire.Outgoing) -> None:
        """Send a message, or audio of the turn that was begun last.

        Raises:
            ProtocolError: ``slow_client``: too much waits for the client.
        """
        if isinstance(told, bytes):
            duration_ms = len(told) * self._ms_per_byte
            pcm = self._known.audio(told, self._speaking)
            self._outbox.put(Parcel(pcm, self._speaking, duration_ms))
            return
        turn, kind, news = int(told.get("turn", 0)), told["type"], self._known.message(told)
        # What the client has from another edge is counted here, too, as if it had been sent.
        text = "" if news is None else wire.encode(news)
        if kind in ("pause", "resume"):
            self._hold(kind, turn)
            self._outbox.put_first(text)
        elif kind == "audio_start":
            self._speaking, self._ms_per_byte = turn, 500 / told["sample_rate"]
            self._outbox.put(Parcel(text, turn))
        elif kind == "audio_complete":
            self._outbox.put(Parcel(text, turn, is_last=True))
        else:
            self._note(kind, turn)
            if text:
                self._outbox.put(Parcel(text))
        self._wake()

    def heard(self, said: wire.Heard | wire.Flushed) -> None:
        """The client says how far it is, or where it stopped."""
        is_stop = isinstance(said, wire.Flushed)
        follow = self._playback.flushed if is_stop else self._playback.heard
        follow(said.turn, said.played_ms, now_s())
        self._wake()

    async def next(self) -> str | bytes | None:
        """Wait for the next frame to send; None when there will be none."""
        while (parcel := await self._outbox.next()) is not None:
            if parcel.duration_ms:
                self._playback.sent(parcel.turn, parcel.duration_ms, now_s())
            if parcel.is_last:
                self._playback.completed(parcel.turn, now_s())
            self._wake()
            if parcel.data:
                return parcel.data if self._kept is None else self._kept.number(parcel)
        return None

    def received(self, number: int) -> None:
        """The client has all frames up to this one."""
        if self._kept is not None:
            self._kept.confirm(number)

    def lost(self) -> None:
        """The client cannot be reached: what it is told waits."""
        self._playback.lost(now_s())

    def returned(self, received: int) -> list[str | bytes]:
        """The client is back; return what it was sent and has not received.

        Raises:
            ProtocolError: ``session_expired``: it cannot have all of that any more.
        """
        again = [] if self._kept is None else self._kept.after(received)
        missing_ms: defaultdict[int, float] = defaultdict(float)
        for parcel in again:
            missing_ms[parcel.turn] += parcel.duration_ms
        self._playback.returned(missing_ms, now_s())
        self._wake()
        return [parcel.data for parcel in again]

    async def report(self) -> None:
        """Tell the workers what was heard. Runs until cancelled."""
        while True:
            for event in self._playback.settle(now_s()):
                await self._publish(event)
            self._sleeps_until_s = self._playback.due_s
            self._woken.clear()
            due_s = self._sleeps_until_s
            try:
                async with asyncio.timeout(None if due_s is None else max(0.0, due_s - now_s())):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _hold(self, kind: str, turn: int) -> None:
        if kind == "pause":
            self._paused = turn
            self._outbox.hold()
            self._playback.paused(turn, now_s())
        else:
            self._go_on(turn)

    def _go_on(self, turn: int) -> None:
        if self._paused != turn:
            return
        self._paused = 0
        self._outbox.release()
        self._playback.resumed(turn, now_s())

    def _note(self, kind: str, turn: int) -> None:
        match kind:
            case "turn_started":
                self.quiet.clear()
                if self._follows:
                    self._playback.begun(turn, now_s())
            case "flush":
                self._outbox.drop(turn)
                self._go_on(turn)
                self._playback.cut(turn, now_s())
            case "turn_ended":
                self.quiet.set()
                self._go_on(turn)
                # Should its audio never have been completed, it ends with what was sent.
                self._outbox.put(Parcel("", turn, is_last=True))

    def _wake(self) -> None:
        due_s = self._playback.due_s
        if due_s is not None and (self._sleeps_until_s is None or due_s < self._sleeps_until_s):
            self._woken.set()
