"""What the page shows of a conversation: the floor, both sides' words, and where time went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import Page
from tests.edge_script import Line, edge, tone
from tests.talk_page import (
    NOTE_FLOORS,
    click,
    keep_screenshots,
    talk_page,
    text_of,
    type_turn,
)

pytestmark = pytest.mark.browser

STORY = "There was a king. He had three daughters, and no sons."
STRETCHES = (
    {"text": "There was a king.", "start_ms": 0, "end_ms": 1_200},
    {"text": "He had three daughters, and no sons.", "start_ms": 1_200, "end_ms": 4_000},
)
ENDS = ((300, 600, 700, 1_100), (1_400, 1_700, 2_000, 2_600, 2_800, 3_000, 3_800))
NOTE_WORDS = """
window.shown = [];
new MutationObserver(() => {
  shown.push([document.querySelector(".assistant")?.textContent, voicebus.playedMs[1]]);
}).observe(document.getElementById("conversation"), { childList: true, subtree: true });
"""
"""Keeps what the reply showed after every change, and how much of it had been played."""

OVERLAPPING: list[dict[str, Any]] = [
    {"name": "hold", "start_ms": 0.0, "end_ms": 400.0},
    {"name": "stt", "start_ms": 200.0, "end_ms": 300.0},
    {"name": "llm", "start_ms": 300.0, "end_ms": 350.0},
    {"name": "tts", "start_ms": 350.0, "end_ms": 390.0},
    {"name": "edge", "start_ms": 400.0, "end_ms": 403.0},
]


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def tell_story(line: Line, seconds: float) -> None:
    """Begin to answer turn 1 with four seconds of story, of which ``seconds`` are sent."""
    await line.say("turn_started", turn=1, text="Tell me a story.")
    await line.say("reply_text", turn=1, text=STORY)
    await line.say("reply_done", turn=1, text=STORY)
    for stretch, ends in zip(STRETCHES, ENDS, strict=True):
        await line.say("spoken", turn=1, word_ends_ms=ends, **stretch)
    await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
    await line.socket.send_bytes(tone(seconds, line.rate_hz).tobytes())
    await line.say("latency", turn=1, response_ms=403.0, stages=OVERLAPPING)


async def typed(line: Line) -> None:
    """Wait until a turn was typed."""
    await line.open()
    await line.until(lambda: bool(line.got("text")))


async def go_on(line: Line) -> None:
    """Let a script that waits for a ``ping`` go on."""
    line.messages.append({"type": "ping"})
    line.has_news.set()


async def interrupted(line: Line) -> None:
    """Answer and be interrupted; before each next step, wait for the test."""
    await line.open()
    span = {"utterance": 1, "start_ms": 200, "end_ms": 900}
    await line.until(lambda: len(line.audio) > 16_000)
    await line.say("speech_started", start_ms=200)
    await line.say("partial", text="Tell me", stable=0, **span)
    await line.say("final", text="Tell me a story.", **span)
    await tell_story(line, 4.0)
    await line.until(lambda: any(one["played_ms"] > 700 for one in line.got("played")))
    await line.say("speech_started", start_ms=9_000)
    await line.say("pause", turn=1)
    await line.until(lambda: bool(line.got("ping")))
    await line.say("flush", turn=1)
    await line.until(lambda: bool(line.got("flushed")))
    await line.say("turn_ended", turn=1, outcome="interrupted", reply="There was", heard_ms=700)
    await line.until(lambda: len(line.got("ping")) == 2)
    span = {"utterance": 2, "start_ms": 9_000, "end_ms": 9_900}
    await line.say("partial", text="No, a", stable=0, **span)
    await line.say("final", text="No, a joke.", **span)
    await line.say("turn_started", turn=2, text="No, a joke.")
    await line.reply(2, "Ha.", tone(0.3, line.rate_hz))


async def test_the_stable_head_of_a_partial_is_firm_and_a_final_replaces_it(page: Page) -> None:
    """The caller sees which words are settled; characters beyond the BMP count as one."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.audio) > 16_000)
        span = {"utterance": 1, "start_ms": 0, "end_ms": 900}
        await line.say("speech_started", start_ms=0)
        await line.say("partial", text="Tell 🙂 me astro", stable=9, **span)
        await line.until(lambda: bool(line.got("ping")))
        await line.say("final", text="Tell 🙂 me a story.", **span)

    async with edge(script) as running:
        await page.goto(running.page)
        await click(page, "talk")
        await page.until("document.querySelector('#pending .stable')?.textContent")
        firm = await text_of(page, "#pending .stable")
        rest = await text_of(page, "#pending .unstable")
        colours = await page.evaluate(
            "['.stable', '.unstable'].map((name) => "
            "getComputedStyle(document.querySelector(name)).color)"
        )
        await go_on(running.lines[0])
        await page.until("document.querySelector('#pending .settled')")
        settled = await text_of(page, "#pending")

    assert (firm, rest) == ("Tell 🙂 me", " astro")
    assert colours[0] != colours[1]
    assert settled == "Tell 🙂 me a story."


async def test_words_appear_as_they_are_spoken(page: Page) -> None:
    """What is written is shown when it sounds, by the player's count; at the end all of it."""

    async def script(line: Line) -> None:
        await typed(line)
        await tell_story(line, 2.3)
        await line.until(lambda: any(one["played_ms"] == 2_300 for one in line.got("played")))
        await line.socket.send_bytes(tone(1.7, line.rate_hz).tobytes())
        await line.say("audio_complete", turn=1, audio_seconds=4.0)
        await line.until(lambda: any(one["played_ms"] == 4_000 for one in line.got("played")))
        await line.say("turn_ended", turn=1, outcome="completed")

    async with edge(script) as running:
        await page.goto(running.page)
        await page.evaluate(NOTE_WORDS)
        await type_turn(page, "Tell me a story.")
        await page.until("voicebus.turns[0]?.outcome === 'completed'", 30)
        shown = await page.evaluate("shown")
        final = await text_of(page, ".assistant")

    words, starts = STORY.split(), [0, *ENDS[0][:3], 1_200, *ENDS[1][:6]]
    for text, played_ms in shown:
        if text:
            assert STORY.startswith(text)
            assert starts[len(text.split()) - 1] < played_ms, "no word before its time"
    assert len({text for text, _ in shown}) > len(words) // 2, "the words come one by one"
    assert final == STORY
    assert await text_of(page, ".cut") == ""


async def test_an_interruption_shows_the_floor_and_where_the_reply_was_cut(page: Page) -> None:
    """Every change of the floor is told; unheard words stay, struck, behind the mark."""
    async with edge(interrupted) as running:
        await page.goto(running.page)
        await page.evaluate(NOTE_FLOORS)
        await click(page, "talk")
        await page.until("voicebus.floor === 'paused'", 30)
        paused = await text_of(page, "#floor")
        await keep_screenshots(page, "talk-paused")
        await go_on(running.lines[0])
        await page.until("voicebus.turns[0].outcome === 'interrupted'")
        heard = await text_of(page, ".spoken")
        unheard = await text_of(page, ".unheard")
        mark = await text_of(page, ".cut")
        struck = await page.evaluate(
            "getComputedStyle(document.querySelector('.unheard')).textDecorationLine"
        )
        await keep_screenshots(page, "talk-interrupted")
        await go_on(running.lines[0])
        await page.until("voicebus.turns[1]?.outcome && voicebus.floor === 'listening'")
        floors = await page.evaluate("floors")
        live = await page.evaluate("document.getElementById('floor').ariaLive")

    assert paused == "Paused while you speak"
    assert (heard, mark) == ("There was", "cut off here")
    assert unheard == STORY.removeprefix("There was ")
    assert struck == "line-through"
    told = [one for one in floors if one not in {"off", "starting", "waiting"}]
    assert [one for one, before in zip(told, ["", *told], strict=False) if one != before] == [
        "listening",
        "caller",
        "thinking",
        "assistant",
        "paused",
        "interrupted",
        "caller",
        "thinking",
        "assistant",
        "listening",
    ]
    assert live == "polite"
    assert page.complaints == []


async def test_a_backchannel_leaves_the_floor_with_the_reply(page: Page) -> None:
    """After a false interruption the reply goes on, and what was said meanwhile is a note."""

    async def script(line: Line) -> None:
        await typed(line)
        await tell_story(line, 4.0)
        await line.say("audio_complete", turn=1, audio_seconds=4.0)
        await line.until(lambda: len(line.got("played")) >= 2)
        await line.say("speech_started", start_ms=9_000)
        await line.say("pause", turn=1)
        await line.say("final", utterance=1, text="Mm-hm.", start_ms=9_000, end_ms=9_200)
        await line.say("resume", turn=1)
        await line.until(lambda: any(one["played_ms"] == 4_000 for one in line.got("played")))
        await line.say("turn_ended", turn=1, outcome="completed")

    async with edge(script) as running:
        await page.goto(running.page)
        await page.evaluate(NOTE_FLOORS)
        await type_turn(page, "Tell me a story.")
        await page.until("voicebus.turns[0]?.outcome === 'completed'", 30)
        floors = await page.evaluate("floors")

    assert await text_of(page, ".note.aside") == "Meanwhile you said: Mm-hm."
    assert await page.evaluate("document.getElementById('pending').hidden")
    assert await text_of(page, ".assistant") == STORY
    assert floors == ["off", "thinking", "assistant", "paused", "assistant", "off"]


async def test_the_waterfall_of_a_speculated_turn_shows_stages_inside_the_hold(page: Page) -> None:
    """Bars overlap where stages do, the numbers stand beside them, and the turn says why."""

    async def script(line: Line) -> None:
        await typed(line)
        await tell_story(line, 0.2)
        await line.say("audio_complete", turn=1, audio_seconds=0.2)
        await line.say("turn_ended", turn=1, outcome="completed")

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "Tell me a story.")
        await page.until("document.querySelectorAll('.waterfall tbody tr').length === 5")
        bars = await page.evaluate(
            "[...document.querySelectorAll('.bar')].map((bar) => {"
            "  const [one, all] = [bar, bar.parentElement].map((e) => e.getBoundingClientRect());"
            "  return [(one.left - all.left) / all.width, (one.right - all.left) / all.width]; })"
        )
        rows = await page.evaluate(
            "[...document.querySelectorAll('.waterfall tbody tr')].map((row) => row.innerText)"
        )
        title = await text_of(page, ".waterfall h3")
        badge = await text_of(page, ".speculated")
        await keep_screenshots(page, "talk-speculated")

    for (left, right), stage in zip(bars[:4], OVERLAPPING, strict=False):
        assert left == pytest.approx(stage["start_ms"] / 403, abs=0.01)
        assert right == pytest.approx(stage["end_ms"] / 403, abs=0.01)
    assert rows[1].split() == ["stt", "200", "ms", "100", "ms"]
    assert title == "Answered after 403 ms"
    assert badge == "Prepared while you paused"


async def test_the_assistant_speaks_by_itself(page: Page) -> None:
    """A greeting is a reply without words of the caller before it."""

    async def script(line: Line) -> None:
        await line.open()
        await line.say("turn_started", turn=1, text="", said="Good day.")
        await line.say("reply_text", turn=1, text="Good day.")
        spoken = {"start_ms": 0, "end_ms": 300, "word_ends_ms": [150, 280]}
        await line.say("spoken", turn=1, text="Good day.", **spoken)
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(0.3, line.rate_hz).tobytes())
        await line.say("audio_complete", turn=1, audio_seconds=0.3)
        await line.until(lambda: {"type": "played", "turn": 1, "played_ms": 300} in line.messages)
        await line.say("turn_ended", turn=1, outcome="completed")

    async with edge(script) as running:
        await page.goto(running.page)
        await click(page, "talk")
        await page.until("voicebus.turns[0]?.outcome === 'completed'")

    assert await text_of(page, ".assistant") == "Good day."
    assert await page.evaluate("document.querySelector('.turn .user').hidden")
