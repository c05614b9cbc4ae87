"""Audio that a stream did not take is sent again over the same connection."""

from __future__ import annotations

import time

import msgspec
import pytest

from schemas.audio import AudioChunk
from schemas.tts import ReplyChunk
from subjects.catalog import subject_of
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.voicebus.bus.sending import Outcomes, audio_in, chunk, log_of
from tests.workers import bus_in, new_place, until
from voicebus.bus.acks import DEADLINE_S, GIVE_UP_S, OVERTAKEN_S, AckTracker, Message
from voicebus.bus.layout import ensure_layout
from voicebus.errors import BusTimeout, BusUnavailable, Fenced, StorageFull
from voicebus.sessions.session import Session

AUDIO = Message("AUDIO", "s.audio", b"\x01\x02")
STORED = b'{"stream":"AUDIO","seq":41}'


def test_what_had_no_answer_is_due_once_a_deadline() -> None:
    """Its publisher is told when it is stored; the first answer will do."""
    tracker, outcomes, now_s = AckTracker(), Outcomes(), time.monotonic()
    number = tracker.expect(AUDIO, outcomes)

    early = tracker.overdue(now_s + DEADLINE_S - 1)
    late_s = now_s + DEADLINE_S + 1
    tracker.expire(late_s)
    due, again = tracker.overdue(late_s), tracker.overdue(late_s)
    tracker.answer(number, STORED, no_responders=False)

    assert (early, due, again) == ([], [(number, AUDIO)], [])
    assert outcomes == [(41, None)]
    assert tracker.kept_bytes == 0


def test_what_a_later_message_has_overtaken_is_due_at_once() -> None:
    """There is a leader again, and it never had what the one before was sent."""
    tracker, outcomes = AckTracker(), Outcomes()
    now_s = time.monotonic()
    lost = tracker.expect(AUDIO, outcomes)
    early = tracker.expect(AUDIO, outcomes, DEADLINE_S + OVERTAKEN_S / 2)
    tracker.answer(early, STORED, no_responders=False)
    too_early = tracker.overdue(now_s)
    taken = tracker.expect(AUDIO, outcomes, DEADLINE_S + 2 * OVERTAKEN_S)
    tracker.answer(taken, STORED, no_responders=False)

    assert too_early == []
    assert tracker.overdue(now_s) == [(lost, AUDIO)]


def test_what_nobody_wants_any_more_is_refused() -> None:
    """With the reason that there was last."""
    tracker, silent, missing = AckTracker(), Outcomes(), Outcomes()
    tracker.expect(AUDIO, silent)
    tracker.answer(tracker.expect(AUDIO, missing), b"", no_responders=True)
    over_s = time.monotonic() + GIVE_UP_S
    tracker.expire(over_s - 1)
    was_told = [*silent, *missing]
    tracker.expire(over_s + 1)

    assert was_told == []
    assert [type(error) for error in silent.errors()] == [BusTimeout]
    assert [type(error) for error in missing.errors()] == [BusUnavailable]
    assert tracker.overdue(over_s + 1) == []


@pytest.mark.parametrize(("code", "kind"), [(10071, Fenced), (10077, StorageFull)])
def test_what_is_refused_for_good_is_not_sent_again(code: int, kind: type[Exception]) -> None:
    """Another owner, or no room: that does not pass by itself."""
    tracker, outcomes = AckTracker(), Outcomes()
    refusal = msgspec.json.encode({"error": {"code": 503, "err_code": code}})
    tracker.answer(tracker.expect(AUDIO, outcomes), refusal, no_responders=False)

    assert [type(error) for error in outcomes.errors()] == [kind]
    assert tracker.overdue(time.monotonic() + DEADLINE_S + 1) == []


async def test_a_session_is_stored_whole_though_its_stream_was_away(
    own_nats_server: NatsServer,
) -> None:
    """What a client is told to be stored goes on; who listens hears nothing twice."""
    place = new_place()
    reply = ReplyChunk(turn=1, pcm=b"\x01\x02", rate_hz=24_000, offset=0)
    async with (
        bus_in(own_nats_server.url, place.cell) as bus,
        bus_in(own_nats_server.url, place.cell, "listener") as other,
        other.listen(subject_of(AudioChunk, place), subject_of(ReplyChunk, place)) as inbox,
    ):
        await other.flush()
        session, told = Session(bus, place), Outcomes()
        await session._publish(chunk(0))
        await until(lambda: session.stored == 1)
        for stream in ("AUDIO", "REPLY"):
            await bus.request(f"$JS.API.STREAM.DELETE.{stream}", b"")
        for number in range(1, 5):
            await session._publish(chunk(number))
        await bus.publish(reply, place, None, told)
        await bus.flush()
        await ensure_layout(bus, bus_settings("").limits())
        for number in range(5, 8):
            await session._publish(chunk(number))
        for pending in bus._acks._pending.values():
            pending.expires_s -= DEADLINE_S
        await until(lambda: session.stored == session.published and bool(told), limit_s=20)
        stored = await log_of(bus, "AUDIO", subject_of(AudioChunk, place))
        replies = await log_of(bus, "REPLY", subject_of(ReplyChunk, place))
        await other.flush()

        assert session.published == 8
        assert audio_in([chunk(0), *stored]) == b"".join(chunk(n).pcm for n in range(8))
        assert replies == [reply]
        assert len(inbox) == 9
