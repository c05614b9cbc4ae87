"""Acknowledgements: every publication has an outcome."""

from __future__ import annotations

import time

import msgspec
import pytest
from prometheus_client import REGISTRY

from schemas.audio import AudioChunk
from schemas.stt import TranscriptFinal
from subjects.tokens import new_token
from tests.bus import bus_at, place_here
from tests.nats_server import NatsServer
from tests.workers import bus_in, new_place, until
from voicebus import metrics
from voicebus.bus import acks
from voicebus.bus.acks import (
    DEADLINE_S,
    ENDING_S,
    GIVE_UP_S,
    AckTracker,
    ApiError,
    Message,
    error_of,
)
from voicebus.bus.client import Bus
from voicebus.errors import BusError, BusTimeout, BusUnavailable, Fenced, StorageFull

Outcome = tuple[int, BusError | None]
MESSAGE = Message("SESSION", "s.final", b"\x01\x02")
CHUNK = AudioChunk(pcm=b"\x00\x00" * 160, offset=0)


class Outcomes(list[Outcome]):
    """Takes outcomes as the tracker tells them."""

    def __call__(self, sequence: int, error: BusError | None) -> None:
        """Note one."""
        self.append((sequence, error))

    def error(self) -> BusError:
        """Return the one error that came."""
        assert len(self) == 1
        error = self[0][1]
        assert error is not None
        return error


@pytest.fixture
def outcomes() -> Outcomes:
    """Nothing has come yet."""
    return Outcomes()


def test_an_acknowledgement_gives_the_sequence(outcomes: Outcomes) -> None:
    """The publisher learns where the message is stored, and nothing is left to remember."""
    tracker = AckTracker()
    number = tracker.expect(MESSAGE, outcomes)

    tracker.answer(number, b'{"stream":"AUDIO","seq":41,"domain":"x"}', no_responders=False)

    assert outcomes == [(41, None)]
    assert len(tracker) == 0


def test_what_is_never_acknowledged_times_out_once(outcomes: Outcomes) -> None:
    """A publication does not wait for ever, and a late answer changes nothing."""
    tracker = AckTracker()
    number = tracker.expect(MESSAGE, outcomes)

    tracker.expire(time.monotonic() + DEADLINE_S - 1)
    assert outcomes == []
    tracker.expire(time.monotonic() + DEADLINE_S + 1)
    tracker.answer(number, b'{"seq":41}', no_responders=False)

    assert isinstance(outcomes.error(), BusTimeout)
    assert len(tracker) == 0


def test_time_without_a_connection_does_not_count(outcomes: Outcomes) -> None:
    """Once it is back there is as much time for an answer as at first."""
    tracker = AckTracker()
    tracker.expect(MESSAGE, outcomes, 0.05)
    tracker.pause()
    time.sleep(0.1)
    tracker.expire(time.monotonic())
    tracker.resume()
    tracker.expire(time.monotonic())
    assert outcomes == []

    tracker.expire(time.monotonic() + 0.06)
    assert isinstance(outcomes.error(), BusTimeout)


def test_what_is_not_kept_does_not_wait_for_a_connection(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be sent again: its outcome is that nobody answered."""
    monkeypatch.setattr(acks, "KEPT_BYTES", 1)
    tracker = AckTracker()
    tracker.expect(MESSAGE, outcomes)
    tracker.pause()
    tracker.expire(time.monotonic() + DEADLINE_S + 1)

    assert isinstance(outcomes.error(), BusTimeout)
    assert list(tracker.kept(0)) == []


def test_what_is_kept_is_forgotten_when_it_is_settled(outcomes: Outcomes) -> None:
    """Stored, refused or never handed over: nothing of it is left in memory."""
    tracker = AckTracker()
    numbers = [tracker.expect(MESSAGE, outcomes) for _ in range(4)]
    assert [number for number, _ in tracker.kept(numbers[0])] == numbers[1:]
    assert tracker.kept_bytes == 4 * len(MESSAGE.payload)

    tracker.answer(numbers[0], b'{"seq":1}', no_responders=False)
    tracker.refuse(numbers[1], BusUnavailable("no"))
    tracker.refuse(numbers[1], BusUnavailable("no"))
    tracker.forget(numbers[2])
    tracker.expire(time.monotonic() + GIVE_UP_S + 1)

    assert len(outcomes) == 3
    assert tracker.kept_bytes == 0


def test_no_stream_means_unavailable(outcomes: Outcomes) -> None:
    """When nobody records the subject, its publisher is told so."""
    tracker = AckTracker(ending_s=0.0)

    tracker.answer(tracker.expect(MESSAGE, outcomes), b"", no_responders=True)

    assert isinstance(outcomes.error(), BusUnavailable)


@pytest.mark.parametrize("payload", [b"", b'{"error":{"code":503,"err_code":10008}}'])
def test_what_an_ending_server_does_not_take_goes_over_the_next_connection(
    payload: bytes, outcomes: Outcomes
) -> None:
    """It closes its streams first; whoever publishes then has lost nothing."""
    tracker = AckTracker()
    number = tracker.expect(MESSAGE, outcomes)
    tracker.answer(number, payload, no_responders=not payload)
    assert [kept for kept, _ in tracker.kept(0)] == [number]

    tracker.pause()
    tracker.expire(time.monotonic() + ENDING_S + 1)
    tracker.resume()
    tracker.answer(number, b'{"seq":7}', no_responders=False)

    assert outcomes == [(7, None)]


def test_a_server_without_the_stream_that_does_not_end_is_believed(outcomes: Outcomes) -> None:
    """After a moment: it has no such stream."""
    tracker = AckTracker()
    tracker.answer(tracker.expect(MESSAGE, outcomes), b"", no_responders=True)
    tracker.expire(time.monotonic() + ENDING_S / 2)
    assert outcomes == []

    tracker.expire(time.monotonic() + ENDING_S + 0.1)
    assert isinstance(outcomes.error(), BusUnavailable)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b'{"seq":"x"}'])
def test_an_answer_that_is_none_is_an_error(payload: bytes, outcomes: Outcomes) -> None:
    """Garbage settles the publication as failed: it is not known to be stored."""
    tracker = AckTracker()

    tracker.answer(tracker.expect(MESSAGE, outcomes), payload, no_responders=False)

    assert type(outcomes.error()) is BusError


def test_an_answer_that_nobody_asked_for_is_ignored(outcomes: Outcomes) -> None:
    """Forged and repeated answers settle nothing."""
    tracker = AckTracker()
    number = tracker.expect(MESSAGE, outcomes)

    tracker.answer(number + 1, b'{"seq":1}', no_responders=False)

    assert outcomes == []
    assert len(tracker) == 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (ApiError(code=400, err_code=10071, description="wrong last sequence: 3"), Fenced),
        (ApiError(code=503, err_code=10077, description="maximum bytes exceeded"), StorageFull),
        (ApiError(code=503, err_code=10023, description="insufficient resources"), StorageFull),
        (ApiError(code=503, err_code=10008, description="system not available"), BusUnavailable),
        (ApiError(code=400, err_code=10059, description="something else"), BusError),
    ],
)
def test_the_servers_errors_have_names_of_ours(failure: ApiError, kind: type[BusError]) -> None:
    """Who publishes tells a zombie from a full disk without knowing numbers."""
    assert type(error_of(failure)) is kind


@pytest.mark.parametrize("kind", [StorageFull, BusUnavailable, BusTimeout, BusError])
def test_what_is_not_stored_is_counted_from_zero_on(kind: type[BusError]) -> None:
    """The first message that a stream refuses is an increase, and wakes somebody."""
    stream = new_token("TOY")

    AckTracker().expect(Message(stream, "s.audio", b""), None)

    labels = {"stream": stream, "code": kind.code}
    assert REGISTRY.get_sample_value("voicebus_bus_ack_failures_total", labels) == 0
    again = {"stream": stream}
    assert REGISTRY.get_sample_value("voicebus_bus_sent_again_total", again) == 0


async def test_a_full_stream_says_so(own_nats_server: NatsServer) -> None:
    """A real store at its limit gives StorageFull, and the metric counts it."""
    place = new_place()
    failures = metrics.BUS_ACK_FAILURES.labels("AUDIO", StorageFull.code)
    before = failures._value.get()

    async def fill(bus: Bus) -> None:
        for _ in range(40):
            await bus.store(CHUNK, place)

    async with bus_in(own_nats_server.url, place.cell) as bus:
        info = msgspec.json.decode(await bus.request("$JS.API.STREAM.INFO.AUDIO", b""))
        tiny = {**info["config"], "max_bytes": 4096, "discard": "new"}
        await bus.request("$JS.API.STREAM.UPDATE.AUDIO", msgspec.json.encode(tiny))

        with pytest.raises(StorageFull):
            await fill(bus)

    assert failures._value.get() == before + 1


async def test_a_stream_that_is_missing_is_unavailable(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing where nothing records is not silently lost."""
    monkeypatch.setattr(acks, "GIVE_UP_S", 1.0)
    place = new_place()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        await bus.request("$JS.API.STREAM.DELETE.AUDIO", b"")

        with pytest.raises(BusUnavailable):
            await bus.store(CHUNK, place)


async def test_the_tracker_does_not_hold_up_the_live_path(nats_server: str) -> None:
    """A thousand publications wait for no acknowledgement, and all of them are settled."""
    place, outcomes = place_here(), Outcomes()
    async with bus_at(nats_server) as bus:
        for number in range(1000):
            final = TranscriptFinal(utterance=number, text="x", start_ms=0, end_ms=1, end_offset=16)
            await bus.publish(final, place, None, outcomes)
        unsettled = 1000 - len(outcomes)
        await until(lambda: len(outcomes) == 1000, limit_s=10)

    assert unsettled > 0
    assert [error for _, error in outcomes if error] == []
    sequences = [sequence for sequence, _ in outcomes]
    assert sequences == sorted(sequences)
