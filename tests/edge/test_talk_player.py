"""The page's player: its real worklet, rendered sample by sample, and played in real time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser import Page
from tests.edge_script import Line, edge, tone
from tests.talk_page import talk_page, type_turn

pytestmark = pytest.mark.browser

QUANTUM = 128
FADE = 240
"""5 ms at 48 kHz."""

RENDER = """
async ({ rate, samples, steps }) => {
  const context = new OfflineAudioContext(1, samples, rate);
  await context.audioWorklet.addModule("browser/player-worklet.js");
  const options = { numberOfInputs: 0, outputChannelCount: [1] };
  const node = new AudioWorkletNode(context, "player", options);
  node.connect(context.destination);
  const told = [];
  let answered = null;
  node.port.onmessage = ({ data }) => {
    if (data.asked === "read") answered();
    else told.push(data);
  };
  // The answer to a flush of no turn says that all orders before it were read.
  const order = (messages) => new Promise((resolve) => {
    answered = resolve;
    for (const { ramp, ...message } of messages) {
      if (ramp) message.pcm = Int16Array.from({ length: ramp }, (_, i) => i + 1).buffer;
      node.port.postMessage(message);
    }
    node.port.postMessage({ type: "flush", turn: -1, asked: "read" });
  });
  for (const [quantum, messages] of steps) {
    if (!quantum) await order(messages);
    else {
      const suspended = context.suspend((quantum * 128) / rate);
      suspended.then(() => order(messages)).then(() => context.resume());
    }
  }
  const buffer = await context.startRendering();
  await order([]);
  const left = Array.from(buffer.getChannelData(0), (value) => Math.round(value * 32768));
  return { left, told };
}
"""
"""Plays a ramp, whose samples say their own place: sample n of the turn has the value n + 1."""


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def render(
    page: Page, samples: int, steps: list[tuple[int, list[dict[str, Any]]]], rate_hz: int = 48_000
) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """Render the worklet with orders at the given quanta; return what left it and what it told."""
    asked = json.dumps({"rate": rate_hz, "samples": samples, "steps": steps})

    async def nothing(_: Line) -> None:
        return

    async with edge(nothing) as running:
        await page.goto(running.page)
        seen = await page.evaluate(f"({RENDER})({asked})")
    return np.array(seen["left"]), seen["told"]


def reply(turn: int, samples: int, rate_hz: int = 48_000) -> list[dict[str, Any]]:
    """The orders that play a whole ramp as a turn."""
    return [
        {"type": "start", "turn": turn, "rate": rate_hz},
        {"type": "audio", "turn": turn, "ramp": samples},
        {"type": "end", "turn": turn},
    ]


async def test_pause_keeps_the_rest_and_a_flush_counts_to_the_sample(page: Page) -> None:
    """Pause silences within 5 ms, resume goes on at the next sample, flush tells what has left."""
    paused, resumed, flushed = 75 * QUANTUM, 112 * QUANTUM, 150 * QUANTUM
    begin = reply(1, 30_000)[:2]
    steps = [
        (0, begin),
        (75, [{"type": "pause", "turn": 1}]),
        (112, [{"type": "resume", "turn": 1}]),
        (150, [{"type": "flush", "turn": 1, "asked": True}]),
    ]

    left, told = await render(page, 24_000, steps)

    assert left[:paused].tolist() == list(range(1, paused + 1))
    fade = left[paused : paused + FADE]
    assert 0 < fade[10] < paused
    assert np.all(np.diff(fade) < 0), "the fade falls all the way"
    assert not left[paused + FADE : resumed].any()
    place = paused + FADE
    rise = left[resumed : resumed + FADE]
    assert np.all(np.diff(rise) > 0)
    firm = left[resumed + FADE : flushed]
    assert firm[0] == place + FADE + 1, "no sample is lost or repeated by a pause"
    assert np.all(np.diff(firm) == 1)
    assert not left[flushed + FADE :].any()
    total = place + (flushed - resumed) + FADE
    assert told[-1] == {
        "type": "flushed",
        "turn": 1,
        "playedMs": 1000 * total // 48_000,
        "asked": True,
    }
    at_pause = [one["playedMs"] for one in told if one["type"] == "report"]
    assert 1000 * (paused + FADE) // 48_000 in at_pause


async def test_queued_turns_follow_without_a_gap_and_are_counted_apart(page: Page) -> None:
    """The next turn begins with the sample after the last one; one that never began counts 0."""
    steps = [
        (0, [*reply(1, 1_000), *reply(2, 2_000), *reply(3, 3_000)]),
        (10, [{"type": "flush", "turn": 3, "asked": True}]),
        (100, [{"type": "flush", "turn": 2, "asked": True}]),
    ]

    left, told = await render(page, 14_400, steps)

    assert left[:3_000].tolist() == [*range(1, 1_001), *range(1, 2_001)]
    assert not left[3_000:].any()
    ended = [(one["turn"], one["playedMs"]) for one in told if one["type"] == "ended"]
    assert ended == [(1, 20), (2, 41)]
    flushed = [(one["turn"], one["playedMs"]) for one in told if one["type"] == "flushed"]
    assert flushed == [(3, 0), (2, 41)], "a turn that is over keeps its count"


async def test_a_turn_is_silent_when_the_pause_comes_before_its_audio(page: Page) -> None:
    """Orders are about turns, not about what happens to be buffered; late audio is dropped."""
    steps = [
        (0, [{"type": "pause", "turn": 1}, *reply(1, 9_600)]),
        (20, [{"type": "resume", "turn": 1}]),
        (30, [{"type": "flush", "turn": 1, "asked": True}, *reply(1, 9_600)]),
    ]

    left, told = await render(page, 9_600, steps)

    assert not left[: 20 * QUANTUM].any()
    assert left[20 * QUANTUM : 30 * QUANTUM].tolist() == list(range(1, 10 * QUANTUM + 1))
    assert not left[30 * QUANTUM + FADE :].any()
    assert told[-1]["playedMs"] == 1000 * (10 * QUANTUM + FADE) // 48_000


async def test_ten_interruptions_in_a_row_lose_no_sample(page: Page) -> None:
    """However often a reply is paused, even while it fades, each sample leaves exactly once."""
    pauses = [
        (quantum, [{"type": kind, "turn": 1}])
        for start in range(10, 60, 5)
        for quantum, kind in ((start, "pause"), (start + 1 + start % 3, "resume"))
    ]

    left, told = await render(page, 24_000, [(0, reply(1, 16_000)), *pauses])

    firm = [one for one in pairwise(left[1_280:].tolist()) if one[1] == one[0] + 1]
    assert firm[-1][1] == 16_000, "the reply was heard to its end"
    silence = sum(max(0, (1 + start % 3) * QUANTUM - FADE) for start in range(10, 60, 5))
    assert np.flatnonzero(left)[-1] + 1 == 16_000 + silence
    assert told[-1] == {"type": "ended", "turn": 1, "playedMs": 333}
    counts = [one["playedMs"] for one in told]
    assert counts == sorted(counts)


@pytest.mark.parametrize("device_hz", [44_100, 48_000])
async def test_a_reply_lasts_as_long_at_any_rate(page: Page, device_hz: int) -> None:
    """Another rate than the device's changes neither length nor count; never more than was sent."""
    left, told = await render(page, device_hz, [(0, reply(1, 12_000, 24_000))], device_hz)

    heard = np.flatnonzero(left)
    assert abs(int(heard[-1]) + 1 - device_hz // 2) <= 2
    assert told[-1] == {"type": "ended", "turn": 1, "playedMs": 500}
    assert max(one["playedMs"] for one in told) == 500


async def test_page_answers_pause_resume_and_flush_in_real_time(page: Page) -> None:
    """Reports stand still during a pause and go on behind it; flushed is the last word."""
    clock = asyncio.get_running_loop().time
    times: dict[str, float] = {}

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="one")
        times["sent"] = clock()
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(8.0, line.rate_hz).tobytes())
        await line.until(lambda: len(line.got("played")) >= 3)
        await line.say("pause", turn=1)
        times["paused"] = clock()
        await asyncio.sleep(0.8)
        held = line.got("played")
        await asyncio.sleep(0.6)
        assert line.got("played") == held, "nothing leaves during a pause"
        times["resumed"] = clock()
        await line.say("resume", turn=1)
        await line.until(lambda: len(line.got("played")) >= len(held) + 3)
        await line.say("flush", turn=1)
        await line.until(lambda: bool(line.got("flushed")))
        times["flushed"] = clock()
        await line.say("turn_ended", turn=1, outcome="interrupted", reply="", heard_ms=0)

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        await page.until("voicebus.turns[0]?.outcome === 'interrupted'", 30)
        seen = await page.evaluate("voicebus.playedMs[1]")
        line = running.lines[0]

    played = [message["played_ms"] for message in line.got("played")]
    (flushed,) = line.got("flushed")
    assert flushed["turn"] == 1
    assert flushed["played_ms"] == seen
    assert played == sorted(played)
    assert played[-1] <= flushed["played_ms"] < 8_000
    silent_s = times["resumed"] - times["paused"] - 0.5  # the order takes a while to arrive
    sounding_s = times["flushed"] - times["sent"] - silent_s
    assert flushed["played_ms"] < 1_000 * sounding_s


async def test_page_answers_a_flush_of_what_it_never_got_or_has_played(page: Page) -> None:
    """The answer to a flush always comes: 0 for a turn without sound, all of it for a past one."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="one")
        await line.say("flush", turn=1)
        await line.until(lambda: len(line.got("flushed")) == 1)
        await line.say("turn_ended", turn=1, outcome="interrupted", reply="", heard_ms=-1)
        await line.say("turn_started", turn=2, text="two")
        await line.reply(2, "Yes.", tone(0.4, line.rate_hz))
        await line.until(lambda: {"type": "played", "turn": 2, "played_ms": 400} in line.messages)
        await line.say("flush", turn=2)
        await line.until(lambda: len(line.got("flushed")) == 2)

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        line_of = running.lines
        await page.until("voicebus.turns[1]?.flushed", 20)
        await line_of[0].until(lambda: len(line_of[0].got("flushed")) == 2)

    assert line_of[0].got("flushed") == [
        {"type": "flushed", "turn": 1, "played_ms": 0},
        {"type": "flushed", "turn": 2, "played_ms": 400},
    ]
