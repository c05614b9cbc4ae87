"""One timer for all calls."""

from __future__ import annotations

import asyncio

import structlog

from edge.telephony.metronome import Metronome
from tests.metered import Growth


async def test_a_beat_that_fails_is_the_last_of_its_call_and_of_no_other() -> None:
    """The call is told why; its mistake is one line of the log and not fifty a second."""
    growth = Growth()
    metronome = Metronome()
    beats: list[int] = []
    tries: list[int] = []
    broken: list[Exception] = []
    enough = asyncio.Event()

    def good(beat: int, _: float) -> None:
        beats.append(beat)
        if len(beats) == 5:
            enough.set()

    def bad(beat: int, _: float) -> None:
        tries.append(beat)
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs:
        metronome.join("good", good, broken.append)
        metronome.join("bad", bad, broken.append)
        running = asyncio.create_task(metronome.run())
        async with asyncio.timeout(20):
            await enough.wait()
        running.cancel()
        await asyncio.wait((running,))

    assert len(tries) == 1
    assert [type(err) for err in broken] == [ZeroDivisionError]
    assert [line["event"] for line in logs] == ["call.beat_failed"]
    assert growth.of("voicebus_telephony_late_seconds_count") >= 5
    assert 0 <= growth.of("voicebus_telephony_late_seconds_sum") < 20
