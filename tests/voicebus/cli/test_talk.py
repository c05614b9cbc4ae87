from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.edge_script import Line, edge, tone
from voicebus.audio.wav import read_wav, write_wav
from voicebus.cli.talk import Captions, add_parser

SAMPLE = Path(__file__).parents[3] / "examples" / "samples" / "austen-leisure.wav"


def parse(*arguments: str) -> argparse.Namespace:
    """Parse the arguments of ``voicebus talk``."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return parser.parse_args(["talk", *arguments])


async def talk(*arguments: str) -> int:
    """Run ``voicebus talk`` as the command does, on a thread of its own: it owns an event loop."""
    args = parse(*arguments)
    return int(await asyncio.to_thread(args.run, args))


async def answer(line: Line) -> None:
    """Answer the first half second of audio, or the first text."""
    await line.open()
    await line.until(lambda: len(line.audio) > 16_000 or len(line.messages) > 1)
    if line.audio:
        await line.say("partial", utterance=1, text="what", start_ms=0, end_ms=200)
        await line.say("final", utterance=1, text="What leisure.", start_ms=0, end_ms=500)
    await line.say("turn_started", turn=1, text="What leisure.")
    await line.reply(1, "None at all.", tone(0.5))


async def test_talk_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """``--json`` prints transcript, reply, latency per stage, seconds of audio and session."""
    async with edge(answer) as running:
        code = await talk(str(SAMPLE), "--url", running.url, "--json")
        audio = bytes(running.lines[0].audio)

    printed = json.loads(capsys.readouterr().out)
    _, samples = read_wav(SAMPLE)
    assert code == 0
    assert (printed["transcript"], printed["reply"]) == ("What leisure.", "None at all.")
    assert (printed["audio_seconds"], printed["session_id"]) == (0.5, "s-1")
    assert set(printed["latency_ms"]) == {"response", "hold", "stt", "llm", "tts", "edge"}
    assert printed["latency_ms"]["stt"] == 96.5
    assert audio.startswith(samples.tobytes())


async def test_talk_prints_captions_waterfall_and_where_the_audio_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Without ``--json`` a person reads what was said, what took how long, and finds the WAV."""
    out = tmp_path / "reply.wav"

    async with edge(answer) as running:
        code = await talk("--text", "hello", "--url", running.url, "--out", str(out))

    printed = capsys.readouterr().out
    rate_hz, samples = read_wav(out)
    assert code == 0
    assert "you    What leisure.\n" in printed
    assert "reply   None at all.\n" in printed
    assert "hold   █" in printed
    assert f"0.50 s of audio in {out}" in printed
    assert "partial" not in printed
    assert "\x1b" not in printed
    assert rate_hz == 24_000
    assert np.array_equal(samples, tone(0.5))


@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
async def test_talk_resamples_recordings(tmp_path: Path, rate_hz: int) -> None:
    """A recording of another rate reaches the server at 16 kHz, as long as it was."""
    path = tmp_path / "tone.wav"
    write_wav(path, tone(1.0, rate_hz), rate_hz)

    async with edge(answer) as running:
        await talk(str(path), "--url", running.url, "--json")
        received = np.frombuffer(bytes(running.lines[0].audio), dtype="<i2")

    loud = np.flatnonzero(np.abs(received) > 100)
    spectrum = np.abs(np.fft.rfft(received[:16_000] * np.hanning(16_000)))
    assert loud[-1] - loud[0] == pytest.approx(16_000, abs=160)
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)


async def test_talk_reads_other_formats(tmp_path: Path) -> None:
    """What is not a 16-bit WAV is decoded."""
    path = tmp_path / "tone.flac"
    with av.open(str(path), "w", format="flac") as container:
        stream = container.add_stream("flac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(1.0, 48_000)[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    async with edge(answer) as running:
        code = await talk(str(path), "--url", running.url, "--json")
        received = np.frombuffer(bytes(running.lines[0].audio), dtype="<i2")

    assert code == 0
    assert 15_800 < np.flatnonzero(np.abs(received) > 100)[-1] < 16_200


async def test_talk_reads_raw_samples_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` takes s16le at 16 kHz as it is."""
    pcm = tone(0.6, 16_000).tobytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcm)))

    async with edge(answer) as running:
        code = await talk("-", "--url", running.url, "--json")
        audio = bytes(running.lines[0].audio)

    assert code == 0
    assert audio.startswith(pcm)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), (b"", "empty"), (b"These are words.\n" * 50, "")],
)
async def test_talk_says_what_is_wrong_with_a_file(
    content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing, an empty and a text file end with 1 and one sentence, and nothing on stdout."""
    path = tmp_path / "words.wav"
    if content is not None:
        path.write_bytes(content)

    code = await talk(str(path), "--json")

    printed = capsys.readouterr()
    assert code == 1
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("voicebus talk: ")
    assert sentence in printed.err


async def test_talk_says_that_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """A system that is not running is an error with the address in it."""
    code = await talk("--text", "hello", "--url", "ws://127.0.0.1:9/ws")

    assert code == 1
    assert "Nobody answers at ws://127.0.0.1:9/ws" in capsys.readouterr().err


async def test_talk_fails_with_the_servers_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A turn that failed without an answer ends with 1 and says what the server said."""

    async def fail(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.messages) > 1)
        await line.say("error", turn=1, code="engine", message="The model died.", stage="llm")
        await line.say("turn_ended", turn=1, outcome="failed")

    async with edge(fail) as running:
        code = await talk("--text", "hello", "--url", running.url)

    assert code == 1
    assert capsys.readouterr().err == "voicebus talk: The model died.\n"


@pytest.mark.parametrize("arguments", [[], ["a.wav", "--text", "b"], ["--text", " "]])
def test_talk_wants_a_recording_or_a_text(arguments: list[str]) -> None:
    """Neither, both, or a text without words is wrong usage: exit code 2."""
    with pytest.raises(SystemExit) as exit_info:
        parse(*arguments)

    assert exit_info.value.code == 2


def test_captions_overwrite_partials_on_a_terminal() -> None:
    """A terminal shows each partial in the place of the one before; a file has none of them."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        captions = Captions(out)
        captions.show({"type": "partial", "text": "wha"})
        captions.show({"type": "turn_started", "text": "What?"})

    assert "wha" in terminal.getvalue()
    assert "\x1b[Kyou    What?\n" in terminal.getvalue()
    assert file.getvalue() == "you    What?\n"


def test_captions_say_that_the_connection_is_made_anew() -> None:
    """Whoever waits sees why, and when it goes on."""
    out = io.StringIO()
    captions = Captions(out)
    for kind in ("reconnecting", "resumed"):
        captions.show({"type": kind})

    lines = out.getvalue().split("\n")
    assert [line for line in lines if line] == [
        "…      the connection broke; making another one",
        "…      connected again",
    ]


def test_captions_begin_a_reply_anew_in_a_line_of_its_own() -> None:
    """What is printed cannot be taken back everywhere; whoever reads sees what counts."""
    out = io.StringIO()
    captions = Captions(out)
    captions.show({"type": "reply_text", "text": "Well,"})
    captions.show({"type": "reply_text", "text": "Oh,", "anew": True})
    captions.show({"type": "reply_text", "text": " yes."})

    assert out.getvalue().split("\n") == [
        "reply  Well,",
        "…      the reply begins anew",
        "reply  Oh, yes.",
    ]


def test_captions_do_not_steer_the_terminal() -> None:
    """Neither what was said nor what is answered."""
    out = io.StringIO()
    captions = Captions(out)
    captions.show({"type": "turn_started", "text": "\x1b[2JWhat?"})
    captions.show({"type": "reply_text", "text": "That\x9b2J."})

    assert out.getvalue() == "you    \\u001b[2JWhat?\nreply  That\\u009b2J."
