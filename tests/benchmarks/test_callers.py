from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.callers import hold
from benchmarks.dialogues import Maker
from benchmarks.judge import MoveRow, rows
from benchmarks.lines import OURS, dial
from benchmarks.moves import Dialogue, Move
from benchmarks.sound import Gap
from tests.benchmarks.scripted_server import Script, Server, server
from tests.benchmarks.speech import quiet, sentence, tone
from voicebus.errors import BusUnavailable

NO_NOISE = np.zeros(0, np.int16)
WORDS = [f"w{n}" for n in range(20)]


def said(kind: str = "complete", ms: int = 400, **fields: object) -> Move:
    """A move of one word."""
    samples = tone(ms)
    return Move(kind, samples, "word", ends=(len(samples) - 1,), **fields)  # type: ignore[arg-type]


async def judged(script: Script, *moves: Move, leave_ms: int = 200) -> list[MoveRow]:
    """What becomes of a dialogue with a scripted server."""
    dialogue = Dialogue("test", moves, NO_NOISE, leave_ms=leave_ms)
    async with server(script) as url, dial(url, OURS, "") as line:
        return rows(await hold(dialogue, line), "ours", {})


async def answering(other: Server) -> None:
    """Answer after 300 ms of silence."""
    await other.pause(300)
    await other.reply(1, WORDS)


async def test_a_whole_sentence_is_answered() -> None:
    """Response latency counts from the last speech sample to the first one that is heard."""
    (row,) = await judged(answering, said())

    assert row.response_ms is not None
    assert 280 < row.response_ms < 1500
    assert row.started_ms is not None
    assert row.started_ms <= row.response_ms
    assert (row.cut_off, row.is_missed, row.transcript) == (False, False, "question 1")


async def test_silence_is_left_alone_or_not() -> None:
    """Who says nothing is not to be answered; an answer to nothing is a false start."""

    async def eager(other: Server) -> None:
        await other.reply(1, ["hello"])

    async def patient(other: Server) -> None:
        await other.pause(60_000)

    nothing = Move("silence", quiet(600), "")

    (false,) = await judged(eager, nothing)
    (right,) = await judged(patient, nothing)
    assert (false.false_start, right.false_start) == (True, False)


@pytest.mark.parametrize(("hold_ms", "cut_off"), [(200, True), (700, False)])
async def test_a_pause_is_survived_by_who_waits(hold_ms: int, cut_off: bool) -> None:
    """A turn that begins before the second half of a sentence has ended cuts the caller off."""

    async def waiting(other: Server) -> None:
        await other.pause(hold_ms)
        await other.reply(1, WORDS)

    samples = np.concatenate([tone(400), quiet(500), tone(400)])
    pause = Gap(400 * 16, 900 * 16)
    move = Move("paused", samples, "a b", pauses=(pause,), ends=(len(samples) - 1,))

    (row,) = await judged(waiting, move)

    assert row.pause_ms == 500
    assert (row.cut_off, row.cut_off_heard) == (cut_off, cut_off)
    assert (row.response_ms is None) is cut_off


def barge_in(*, extra_words: int) -> Script:
    """Answer, be interrupted, stop, and remember so many words more than were heard."""

    async def script(other: Server) -> None:
        await other.pause(200)
        await other.reply(1, WORDS)
        await other.speech()
        await other.say("speech_started", start_ms=0)
        await other.say("pause", turn=1)
        played_ms = await other.flushed(1)
        heard = WORDS[: played_ms // 100 + extra_words]
        await other.say("turn_ended", turn=1, outcome="interrupted", reply=" ".join(heard))
        await other.pause(200)
        await other.reply(2, WORDS)

    return script


async def test_an_interruption_stops_the_reply_and_its_words_are_counted() -> None:
    """The words that the player played to their end are those that the system must remember."""
    cutting = said("interruption", cue="audible", wait_ms=540)

    opening, row = await judged(barge_in(extra_words=0), said(), cutting)

    assert opening.response_ms is not None
    assert row.stop_ms is not None
    assert row.decision_ms is not None
    assert 0 <= row.decision_ms <= row.stop_ms < 400
    assert row.heard == row.kept
    assert row.heard
    assert row.heard.split() == WORDS[: len(row.heard.split())]
    assert 4 <= len(row.heard.split()) <= 9
    assert row.response_ms is not None
    assert row.transcript == "question 2"
    assert row.unheard_ms is not None
    assert 1000 < row.unheard_ms < 1600


async def test_words_that_were_not_heard_are_found_out() -> None:
    """A system that remembers a word too many does not remember what was heard."""
    cutting = said("interruption", cue="audible", wait_ms=540)

    _, row = await judged(barge_in(extra_words=1), said(), cutting)

    assert row.heard != row.kept


async def test_an_interruption_that_nobody_minds_is_noticed() -> None:
    """A reply that is played to its end was not stopped, whatever is said after it."""

    async def deaf(other: Server) -> None:
        await other.pause(200)
        await other.reply(1, WORDS)
        await other.pause(1_200)
        await other.reply(2, WORDS)

    cutting = said("interruption", ms=300, cue="audible", wait_ms=100)

    _, row = await judged(deaf, said(), cutting)

    assert (row.stop_ms, row.not_stopped, row.kept) == (None, True, None)


@pytest.mark.parametrize(("goes_on", "expected"), [(True, True), (False, False)])
async def test_a_backchannel_leaves_the_reply_alone_or_not(goes_on: bool, expected: bool) -> None:
    """After a word that is no interruption the reply goes on, perhaps after a pause."""

    async def script(other: Server) -> None:
        await other.pause(200)
        await other.reply(1, WORDS)
        await other.speech()
        await other.say("pause", turn=1)
        await other.pause(200)
        if goes_on:
            await other.say("resume", turn=1)
        else:
            await other.flushed(1)

    word = said("backchannel", ms=200, cue="audible", wait_ms=400)

    _, row = await judged(script, said(), word)

    assert row.went_on is expected


async def test_playback_is_reported_as_it_goes() -> None:
    """About every 250 ms, and at the end at once."""
    told: list[dict[str, Any]] = []

    async def script(other: Server) -> None:
        await answering(other)
        try:
            await other.pause(60_000)
        finally:
            told.extend(other.told)

    await judged(script, said(), leave_ms=2_300)

    played = [m["played_ms"] for m in told if m["type"] == "played"]
    assert played[-1] == 2000
    assert played == sorted(played)
    assert 5 <= len(played) <= 9


async def test_a_second_sentence_may_be_answered_apart() -> None:
    """Between two whole sentences an answer may begin: nobody was cut off."""
    follow_up = Maker([sentence(600)], [sentence(200)], 1)._follow_up()

    async def quick(other: Server) -> None:
        await other.pause(200)
        await other.say("turn_started", turn=1, text="question 1")
        await other.speech()
        await other.pause(200)
        await other.reply(2, WORDS)

    (row,) = await judged(quick, follow_up)

    assert not row.cut_off
    assert row.response_ms is not None


async def test_a_broken_line_is_told() -> None:
    """A dialogue that could not be held gives no figure."""

    async def leaving(other: Server) -> None:
        await other.speech()
        await other._socket.close()

    dialogue = Dialogue("test", (said(ms=1000), said()), NO_NOISE)
    async with server(leaving) as url, dial(url, OURS, "") as line:
        account = await hold(dialogue, line)

    assert "closed the connection" in account.error


async def test_nobody_at_the_other_end_is_an_error() -> None:
    """A system that does not run is not measured."""
    with pytest.raises(BusUnavailable):
        async with dial("ws://127.0.0.1:1/ws", OURS, ""):
            pass
