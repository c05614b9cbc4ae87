from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.files import bare
from tests.browser import Page
from tests.edge_script import BROWSER, TALK_PAGE, Line, edge, tone
from tests.talk_page import SAMPLE, click, keep_screenshots, talk_page, type_turn
from voicebus.audio.wav import read_wav

pytestmark = pytest.mark.browser

UNPROCESSED = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = ({ audio }) => {
  window.asked = audio;
  const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return open({ audio: { ...audio, ...off } });
};
"""
"""Makes the microphone a wire, so that samples can be compared, and notes what was asked for."""

WORDS = "What leisure have we for this?"
REPLY = "As much as you like; the evening is long, and nobody is in a hurry."


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of a browser whose microphone is allowed, and plays the sample once."""
    async with talk_page(chromium, tmp_path) as tab:
        yield tab


async def converse(line: Line) -> None:
    """Hear two seconds, then answer them."""
    await line.open()
    await line.until(lambda: len(line.audio) > 2 * 16_000)
    await line.say("speech_started", start_ms=200)
    await line.say("partial", utterance=1, text="What leisure", start_ms=200, end_ms=900)
    await line.until(lambda: len(line.audio) > 4 * 16_000)
    final = {"utterance": 1, "text": WORDS, "start_ms": 200, "end_ms": 1900}
    await line.say("final", **final, language="en", confidence=0.9)
    await line.say("turn_started", turn=1, text=WORDS)
    await line.reply(1, REPLY, tone(1.5, line.rate_hz))


def likeness(received: NDArray[np.int16], sample: NDArray[np.int16]) -> float:
    """Highest normalised cross-correlation of the sample's loudest second with what came."""
    start = int(np.argmax(energies(sample, 16_000)))
    wanted = sample[start : start + 16_000].astype(float)
    size = 1 << int(np.ceil(np.log2(received.size + wanted.size)))
    spectrum = np.fft.rfft(received, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.fft.irfft(spectrum, size)[: received.size - wanted.size + 1]
    norms = np.sqrt(energies(received, wanted.size) * np.sum(wanted**2) + 1e-9)
    return float(np.max(products / norms))


def energies(samples: NDArray[np.int16], width: int) -> NDArray[np.int64]:
    """Energy of every stretch of this width."""
    sums = np.concatenate([[0], np.cumsum(samples.astype(np.int64) ** 2)])
    return np.asarray(sums[width:] - sums[:-width])


async def test_page_completes_a_spoken_turn(page: Page, tmp_path: Path) -> None:
    """The microphone reaches the server as 16 kHz s16le; captions, sound and figures come back."""
    async with edge(converse) as running:
        await page.goto(running.page)
        assert running.lines == [], "an idle page must not hold workers"
        await page.evaluate(UNPROCESSED)
        await click(page, "talk")
        await page.until("document.querySelector('#pending .unstable')?.textContent !== undefined")
        await page.until(f"document.querySelector('.user')?.textContent === {WORDS!r}")
        await page.until(f"document.querySelector('.assistant')?.textContent === {REPLY!r}")
        await page.until("voicebus.turns[0].playedMs === 1500 && !voicebus.turns[0].playing")
        rows = await page.evaluate(
            "[...document.querySelectorAll('.waterfall tbody tr')].map((row) => row.innerText)"
        )
        bars = await page.evaluate(
            "[...document.querySelectorAll('.bar')].map((bar) => bar.getBoundingClientRect().width)"
        )
        title = await page.evaluate("document.querySelector('.waterfall h3').textContent")
        level = await page.evaluate("voicebus.level")
        asked = await page.evaluate("window.asked")
        line = running.lines[0]
        await line.until(lambda: len(line.audio) > 2 * 16_000 * 4)
        await keep_screenshots(page, "talk")

    assert asked["echoCancellation"]
    assert asked["noiseSuppression"]
    assert asked["autoGainControl"]
    assert line.start["input"] == {"format": "pcm_s16le"}
    assert line.start["output"]["sample_rate"] in {24_000, 48_000}
    assert set(line.frame_bytes) == {640}
    _, sample = read_wav(SAMPLE)
    received = np.frombuffer(bytes(line.audio), dtype="<i2")
    assert likeness(received, sample[:48_000]) > 0.8, "but for what a busy browser leaves out"
    assert likeness(received, sample[:48_000:2]) < 0.4, "twice the pitch must not pass"
    played = [message["played_ms"] for message in line.got("played")]
    assert played == sorted(played)
    assert len(played) >= 4
    assert played[-1] == 1500
    assert [row.split()[0] for row in rows] == ["hold", "stt", "llm", "tts", "edge"]
    assert rows[0].split()[1:] == ["0", "ms", "601", "ms"]
    assert bars[0] > 5 * bars[1] > 0
    assert title == "Answered after 812 ms"
    assert level >= 0
    assert [one for one in page.complaints if "favicon" not in one] == []


async def test_page_sends_what_was_pending_when_the_microphone_is_stopped(page: Page) -> None:
    """Stop releases the microphone and ends the stream; no more audio is sent."""

    async def script(line: Line) -> None:
        await line.open()

    async with edge(script) as running:
        await page.goto(running.page)
        await click(page, "talk")
        await page.until("voicebus.microphone === 'on'")
        assert await page.evaluate("document.getElementById('talk').ariaPressed") == "true"
        line = running.lines[0]
        await line.until(lambda: len(line.frame_bytes) > 10)
        await click(page, "talk")
        await line.until(lambda: bool(line.got("end_stream")))
        frames = len(line.frame_bytes)
        await asyncio.sleep(0.3)

    assert len(line.frame_bytes) <= frames
    assert await page.evaluate("document.getElementById('talk').ariaPressed") == "false"


async def test_page_drops_audio_that_the_server_flushes(page: Page) -> None:
    """A barge-in silences the player at once and says how much was heard; the next turn plays."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="one")
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(8.0, line.rate_hz).tobytes())
        await line.until(lambda: len(line.got("played")) >= 2)
        await line.say("flush", turn=1)
        await line.say("turn_ended", turn=1, outcome="interrupted")
        await line.say("turn_started", turn=2, text="two")
        await line.reply(2, "Yes.", tone(0.5, line.rate_hz))

    async with edge(script) as running:
        await page.goto(running.page)
        await page.evaluate("document.getElementById('text').focus()")
        await page.command("Input.insertText", text="one")
        await page.key("Enter", "\r")
        await page.until("voicebus.playedMs[2] === 500")
        played = await page.evaluate("voicebus.playedMs")
        line = running.lines[0]

    assert line.got("text") == [{"type": "text", "text": "one"}]
    assert 200 < played["1"] < 3000
    assert await page.evaluate("document.querySelector('.turn .note').textContent") == "Interrupted"


async def test_page_plays_the_pitch_that_was_sent(page: Page) -> None:
    """A reply at a rate that is not the device's is resampled: it lasts as long as it should."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="one")
        await line.say("audio_start", turn=1, sample_rate=8_000)
        await line.socket.send_bytes(tone(1.0, 8_000).tobytes())
        await line.say("audio_complete", turn=1, audio_seconds=1.0)
        await line.say("turn_ended", turn=1, outcome="completed")

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        await page.until("voicebus.turns[0]?.playing")
        began_at = asyncio.get_running_loop().time()
        await page.until("voicebus.turns[0].playedMs === 1000")
        took_s = asyncio.get_running_loop().time() - began_at

    assert 0.7 < took_s < 3.0


async def test_page_cancels_with_escape(page: Page) -> None:
    """Escape stops the reply here and on the server."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="one")
        await line.say("audio_start", turn=1, sample_rate=line.rate_hz)
        await line.socket.send_bytes(tone(8.0, line.rate_hz).tobytes())
        await line.until(lambda: bool(line.got("cancel")))
        await line.say("turn_ended", turn=1, outcome="interrupted")

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "one")
        await page.until("voicebus.turns[0]?.playedMs > 0")
        await page.key("Escape")
        await page.until("!voicebus.turns[0].playing")
        await page.until("document.getElementById('cancel').hidden")
        line = running.lines[0]

    assert line.got("cancel") == [{"type": "cancel"}]
    assert line.got("played")[-1]["played_ms"] < 8000


async def test_page_says_in_words_that_the_connection_is_lost(page: Page) -> None:
    """A lost connection is told, and the reconnect button makes a new session."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        text = line.got("text")[0]["text"]
        if text == "leave":
            await line.socket.close(1001, "The server restarts.")
        else:
            await line.say("error", code="bus_unavailable", message="<b>No bus.</b>", stage="edge")

    async with edge(script) as running:
        await page.goto(running.page)
        await type_turn(page, "leave")
        await page.until("voicebus.state === 'lost'")
        problem = await page.evaluate("document.querySelector('#problem p').textContent")
        await page.until("!document.getElementById('reconnect').hidden")
        await click(page, "reconnect")
        await page.until("voicebus.state === 'ready'")
        await type_turn(page, "stay")
        await page.until("voicebus.errors.length === 1")
        second = await page.evaluate("document.querySelector('#problem p').textContent")

    assert problem == "The connection was lost. The server restarts."
    assert second == "<b>No bus.</b>", "the server's words are text, never markup"
    assert len(running.lines) == 2


async def test_page_without_a_microphone_still_takes_text(chromium: str, tmp_path: Path) -> None:
    """A refused microphone is explained in words, and typing works."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("text")))
        await line.say("turn_started", turn=1, text="hello")
        await line.reply(1, "Hello.", tone(0.2, line.rate_hz))

    async with (
        edge(script) as running,
        talk_page(chromium, tmp_path, "--deny-permission-prompts") as page,
    ):
        await page.goto(running.page)
        await click(page, "talk")
        await page.until("!document.getElementById('problem').hidden")
        problem = await page.evaluate("document.querySelector('#problem p').textContent")
        await type_turn(page, "hello")
        await page.until("document.querySelector('.assistant')?.textContent === 'Hello.'")

    assert "does not let this page use the microphone" in problem


def test_page_is_small_and_has_no_inline_code() -> None:
    """The page works under a strict content security policy and stays small."""
    folders = (TALK_PAGE, BROWSER)
    files = {path.name: path.read_text() for f in folders for path in f.glob("*.js")}
    sent = {name: len(bare(text.encode())) for name, text in files.items()}
    scripts, later = list(files.values()), {"device.js", "keypad.js"}
    html = (TALK_PAGE / "index.html").read_text()

    assert sum(sent.values()) < 45_000
    assert sum(size for name, size in sent.items() if name not in later) < 43_000
    assert not any(f'from "./{name}"' in script for name in later for script in scripts)
    assert max(len(script.splitlines()) for script in scripts) <= 300
    assert "style=" not in html
    assert "onclick" not in html
    assert html.count("<script") == html.count('<script type="module" src=') == 1
    assert "://" not in html + "".join(scripts), "nothing is loaded from elsewhere"
    assert not any("innerHTML" in script for script in scripts)
