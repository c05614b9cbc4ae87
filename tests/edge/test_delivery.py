"""What is sent to a client in which order, and what the workers learn of its playback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from edge import wire
from edge.delivery import Delivery
from edge.outbox import Outbox
from edge.playback import Playback
from edge.resumption import Kept
from schemas.event import Event
from schemas.session import PlaybackEnded, Played

RATE_HZ = 24_000
TENTH = bytes(RATE_HZ // 10 * 2)


class Line:
    """A delivery, a client that reads at once, and what the workers are told."""

    def __init__(self, playback: Playback | None, kept: Kept | None = None) -> None:
        self.events: list[Event] = []
        self.frames: list[str | bytes] = []
        self.delivery = Delivery(Outbox(1 << 20), self.publish, playback, kept)

    async def publish(self, event: Event) -> None:
        """Take note of what the workers are told."""
        self.events.append(event)

    async def read(self) -> None:
        """Read as a client does."""
        while (frame := await self.delivery.next()) is not None:
            self.frames.append(frame)

    def tell(self, *messages: dict[str, Any] | bytes) -> None:
        """Send messages and audio."""
        for message in messages:
            self.delivery.put(message)

    async def settled(self, count: int, within_s: float = 2.0) -> list[Event]:
        """Wait until the workers were told so many things; return them."""
        async with asyncio.timeout(within_s):
            while len(self.events) < count:
                await asyncio.sleep(0.005)
        return self.events

    def kinds(self) -> list[str]:
        """The frames' types, with ``audio`` for a frame of it."""
        names = {kind: f'"type":"{kind}"' for kind in ("pause", "resume", "flush", "pong")}
        names |= {"begin": "audio_start", "complete": "audio_complete", "end": "turn_ended"}
        return [
            next((kind for kind, name in names.items() if name in frame), "other")
            if isinstance(frame, str)
            else "audio"
            for frame in self.frames
        ]


@asynccontextmanager
async def line(playback: Playback | None, kept: Kept | None = None) -> AsyncIterator[Line]:
    """Serve a client until the test is over."""
    opened = Line(playback, kept)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(opened.delivery.report()), group.create_task(opened.read())]
        yield opened
        for task in tasks:
            task.cancel()


def began(turn: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A turn and its audio begin."""
    return (
        {"type": "turn_started", "turn": turn, "text": "x"},
        {"type": "audio_start", "turn": turn, "sample_rate": RATE_HZ},
    )


def done(turn: int) -> dict[str, Any]:
    """A turn's audio is complete."""
    return {"type": "audio_complete", "turn": turn, "audio_seconds": 0.1}


async def test_a_reply_that_was_sent_and_played_is_told_to_the_workers() -> None:
    """By the clock when the client says nothing: once, and not before it can be."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), TENTH, TENTH, done(1))
        await asyncio.sleep(0.1)
        assert opened.events == []
        events = await opened.settled(1)

    assert events == [PlaybackEnded(turn=1, played_ms=200, estimated=True)]


async def test_a_client_that_reports_ends_the_reply_itself() -> None:
    """Its reports are handed on, and the last one ends the turn at once."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), *[TENTH] * 100, done(1))
        await asyncio.sleep(0.01)
        opened.delivery.heard(wire.Heard(turn=1, played_ms=0))
        opened.delivery.heard(wire.Heard(turn=1, played_ms=1_000))
        await opened.settled(1)
        opened.delivery.heard(wire.Heard(turn=1, played_ms=10_000))
        events = await opened.settled(2)

    assert events == [
        Played(turn=1, played_ms=1_000),
        PlaybackEnded(turn=1, played_ms=10_000, estimated=False),
    ]


async def test_paused_audio_waits_and_words_do_not() -> None:
    """After pause no audio leaves; after resume all of it does, in its order."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), TENTH)
        await asyncio.sleep(0.01)
        opened.tell({"type": "pause", "turn": 1}, TENTH, done(1), {"type": "pong"})
        await asyncio.sleep(0.01)
        assert opened.kinds() == ["other", "begin", "audio", "pause", "pong"]
        await asyncio.sleep(0.2)
        assert opened.events == []
        opened.tell({"type": "resume", "turn": 1})
        events = await opened.settled(1)

    assert opened.kinds()[5:] == ["resume", "audio", "complete"]
    assert events == [PlaybackEnded(turn=1, played_ms=200, estimated=True)]


async def test_cancelling_during_a_pause_drops_what_was_kept_back() -> None:
    """The next turn's audio flows again; what was never sent was never heard."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), {"type": "pause", "turn": 1}, *[TENTH] * 20)
        await asyncio.sleep(0.01)
        opened.tell({"type": "flush", "turn": 1})
        await opened.settled(1)
        opened.tell({"type": "turn_ended", "turn": 1, "outcome": "interrupted"})
        opened.tell(*began(2), TENTH, done(2))
        events = await opened.settled(2)

    assert events[0] == PlaybackEnded(turn=1, played_ms=0)
    assert opened.kinds().count("audio") == 1
    assert opened.kinds().index("audio") > opened.kinds().index("flush")


async def test_the_answer_to_flush_is_waited_for() -> None:
    """A client that reports says where it stopped; nothing is told before."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), *[TENTH] * 5)
        await asyncio.sleep(0.01)
        opened.delivery.heard(wire.Heard(turn=1, played_ms=100))
        opened.tell({"type": "flush", "turn": 1})
        await asyncio.sleep(0.05)
        opened.delivery.heard(wire.Flushed(turn=1, played_ms=340))
        events = await opened.settled(1)

    assert events[-1] == PlaybackEnded(turn=1, played_ms=340, estimated=False)


async def test_a_turn_that_ends_without_its_audio_being_complete_ends() -> None:
    """Should the voice have been lost, what was sent is all there is."""
    async with line(Playback()) as opened:
        opened.tell(*began(1), TENTH)
        opened.tell({"type": "turn_ended", "turn": 1, "outcome": "interrupted"})
        events = await opened.settled(1)
        frames = list(opened.frames)

    assert events == [PlaybackEnded(turn=1, played_ms=100, estimated=True)]
    assert "" not in frames


async def test_where_nobody_waits_to_know_it_nothing_is_told() -> None:
    """A session whose turns end by themselves has no playback to be followed."""
    async with line(None) as opened:
        opened.tell(*began(1), TENTH, done(1))
        await asyncio.sleep(0.01)
        opened.delivery.heard(wire.Heard(turn=1, played_ms=50))
        opened.tell({"type": "flush", "turn": 1})
        opened.delivery.heard(wire.Flushed(turn=1, played_ms=50))
        await asyncio.sleep(0.3)

    assert opened.events == []
    assert opened.kinds() == ["other", "begin", "audio", "complete", "flush"]


async def test_ten_interruptions_in_a_row_are_ten_positions() -> None:
    """However fast they come, each turn ends once, and none within another's audio."""
    async with line(Playback()) as opened:
        for turn in range(1, 11):
            opened.tell(*began(turn), TENTH)
            await asyncio.sleep(0.02)
            opened.tell({"type": "pause", "turn": turn}, TENTH, {"type": "flush", "turn": turn})
            opened.tell({"type": "turn_ended", "turn": turn, "outcome": "interrupted"})
        events = await opened.settled(10)

    assert [event.turn for event in events] == list(range(1, 11))
    assert all(isinstance(event, PlaybackEnded) for event in events)
    assert all(0 < event.played_ms <= 100 for event in events)  # type: ignore[attr-defined]
    assert opened.kinds().count("audio") == 10


async def test_quiet_is_between_turns() -> None:
    """Whoever wants to hang up waits for it."""
    async with line(Playback()) as opened:
        assert opened.delivery.quiet.is_set()
        opened.tell(*began(1))
        assert not opened.delivery.quiet.is_set()
        opened.tell({"type": "turn_ended", "turn": 1, "outcome": "completed"})
        assert opened.delivery.quiet.is_set()


async def test_a_client_that_comes_back_is_sent_what_it_missed_and_then_the_rest() -> None:
    """Numbered as it was; what it confirmed is not there any more."""
    async with line(Playback(), Kept()) as opened:
        opened.tell(*began(1), TENTH, TENTH)
        await asyncio.sleep(0.01)
        opened.delivery.received(2)
        opened.delivery.lost()
        again = opened.delivery.returned(3)
        opened.tell({"type": "pong"})
        await asyncio.sleep(0.01)

    assert again == [TENTH]
    assert opened.frames[0].startswith('{"seq":1,')  # type: ignore[arg-type]
    assert opened.frames[-1] == '{"seq":5,"type":"pong"}'


async def test_audio_that_is_sent_again_is_heard_once() -> None:
    """The turn ends when its length has been played since the client is back."""
    clock = asyncio.get_running_loop().time
    async with line(Playback(), Kept()) as opened:
        opened.tell(*began(1), TENTH, TENTH, done(1))
        await asyncio.sleep(0.01)
        opened.delivery.lost()
        await asyncio.sleep(0.4)
        assert opened.events == []
        back_s = clock()
        opened.delivery.returned(2)
        events = await opened.settled(1)

    assert clock() - back_s >= 0.19
    assert events == [PlaybackEnded(turn=1, played_ms=200, estimated=True)]
