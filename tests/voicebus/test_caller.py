from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.edge_script import STAGES, Line, edge, tone
from voicebus.audio.wav import write_wav
from voicebus.caller import Ending, Start, call
from voicebus.errors import (
    BusTimeout,
    BusUnavailable,
    ConfigError,
    CorruptAudio,
    EngineOverloaded,
    NoWorker,
    ProtocolError,
)
from voicebus.exchange import error_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "websocket.md"


def speech(seconds: float = 0.4, trailing_s: float = 0.2) -> NDArray[np.int16]:
    """Something loud, then silence."""
    return np.concatenate([tone(seconds, 16_000), np.zeros(round(trailing_s * 16_000), np.int16)])


async def answer_after_pause(line: Line) -> None:
    """Answer 0.3 s after 0.6 s of audio came, with 0.1 s of silence before the sound."""
    await line.open()
    await line.until(lambda: len(line.audio) >= 19_200)
    await line.say("speech_started", start_ms=0)
    await line.say("partial", utterance=1, text="good", start_ms=0, end_ms=300)
    await asyncio.sleep(0.3)
    final = {"utterance": 1, "text": "Good morning.", "start_ms": 0, "end_ms": 400}
    await line.say("final", **final, language="en", confidence=0.9)
    await line.say("turn_started", turn=1, text="Good morning.")
    await line.reply(1, "Hello to you.", tone(0.5, line.rate_hz, lead_s=0.1))


async def test_caller_hears_words_audio_and_stages() -> None:
    """What the server sends of a turn is in the result, once and completely."""
    seen: list[str] = []

    async with (
        edge(answer_after_pause) as running,
        call(running.url, observe=lambda m: seen.append(m["type"])) as caller,
    ):
        heard = await caller.speak(speech())

    assert (heard.transcript, heard.reply, heard.turns) == ("Good morning.", "Hello to you.", 1)
    assert heard.audio == tone(0.5, lead_s=0.1).astype("<i2").tobytes()
    assert heard.rate_hz == 24_000
    assert heard.audio_seconds == pytest.approx(0.6)
    assert [stage.name for stage in heard.server_stages] == [stage["name"] for stage in STAGES]
    assert (heard.server_response_ms, heard.session_id) == (812.4, "s-1")
    assert (heard.errors, heard.synthetic) == ((), False)
    assert seen[0] == "metadata"
    assert "partial" in seen


async def test_caller_measures_from_its_last_speech_sample_to_the_first_audible_one() -> None:
    """The response latency counts the silence after the speech (0.2 s) and the wait (0.3 s)."""
    async with edge(answer_after_pause) as running, call(running.url) as caller:
        heard = await caller.speak(speech())

    assert heard.response_ms is not None
    assert 480 < heard.response_ms < 900


async def test_caller_paces_frames_of_20_ms_in_real_time_and_stays_on_the_line() -> None:
    """The recording arrives unchanged, no faster than real time, followed by silence."""
    began_at = asyncio.get_running_loop().time()
    recording = speech()

    async with edge(answer_after_pause) as running, call(running.url) as caller:
        heard = await caller.speak(recording)
        audio, frames = bytes(running.lines[0].audio), running.lines[0].frame_bytes

    assert asyncio.get_running_loop().time() - began_at > 0.6 + 0.3
    assert set(frames) == {640}
    assert audio[: 2 * len(recording)] == recording.astype("<i2").tobytes()
    assert len(audio) > 2 * len(recording)
    assert not any(audio[2 * len(recording) :])
    assert 0 <= heard.send_lag_ms_max < 500


async def test_caller_asks_for_what_it_was_told() -> None:
    """The first message is ``start`` with the rate, language, voice and instructions asked for."""
    start = Start(output_rate_hz=16_000, language="en", voice="joe", instructions="Be brief.")

    async with edge(answer_after_pause) as running, call(running.url, start) as caller:
        heard = await caller.speak(speech())
        line = running.lines[0]

    assert line.start["type"] == "start"
    assert line.start["input"] == {"format": "pcm_s16le"}
    assert line.start["output"] == {"audio": True, "sample_rate": 16_000}
    assert (line.start["language"], line.start["voice"]) == ("en", "joe")
    assert heard.rate_hz == 16_000


async def test_caller_joins_the_turns_of_a_recording_with_a_pause() -> None:
    """A second utterance that interrupts the first answer is a second turn of the same result."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.audio) >= 16_000)
        await line.say("turn_started", turn=1, text="One.")
        await line.say("reply_text", turn=1, text="First")
        await line.say("audio_start", turn=1, sample_rate=24_000)
        await line.socket.send_bytes(tone(5).tobytes())
        await line.until(lambda: len(line.audio) >= 22_400)
        await line.say("speech_started", start_ms=600)
        await line.say("flush", turn=1)
        await line.say("turn_ended", turn=1, outcome="interrupted")
        await line.until(lambda: len(line.audio) >= 40_000)
        await line.say("turn_started", turn=2, text="Two.")
        await line.reply(2, "Last.", tone(0.2))

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.speak(np.concatenate([speech(), speech()]))

    assert (heard.transcript, heard.reply, heard.turns) == ("One. Two.", "First Last.", 2)
    assert heard.response_ms is not None
    assert 0.3 < heard.audio_seconds < 1.0, "what was flushed has not been heard"


async def test_caller_ends_the_stream_when_nobody_notices_that_it_speaks() -> None:
    """A recording without words gets a verdict: nothing was heard, no turn, no latency."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: bool(line.got("end_stream")))
        await line.say("nothing_heard")

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.speak(np.zeros(3200, np.int16), Ending.END_STREAM)

    assert (heard.turns, heard.transcript, heard.reply) == (0, "", "")
    assert (heard.response_ms, heard.audio) == (None, b"")


async def test_failed_turn_is_told_in_the_result() -> None:
    """An error that belongs to a turn ends that turn and not the call."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.messages) > 1)
        await line.say("turn_started", turn=1, text="hi")
        error = {"code": "engine_timeout", "message": "The model hangs.", "stage": "llm"}
        await line.say("error", turn=1, retryable=True, **error)
        await line.say("turn_ended", turn=1, outcome="failed")

    async with edge(script) as running, call(running.url) as caller:
        heard = await caller.type_text("hi")

    assert (heard.errors, heard.reply, heard.response_ms) == (("The model hangs.",), "", None)


async def test_error_outside_of_a_turn_is_raised_with_its_class() -> None:
    """An error message of the server becomes the error of the same code, with its sentence."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.audio) > 0)
        error = {"code": "audio_corrupt", "message": "The bytes do not decode.", "stage": "edge"}
        await line.say("error", retryable=False, **error)

    async with edge(script) as running:
        with pytest.raises(CorruptAudio, match=r"The bytes do not decode\."):
            async with call(running.url) as caller:
                await caller.speak(speech())


async def test_broken_connection_is_an_error() -> None:
    """A server that hangs up in mid-word raises at once, with the reason that it gave."""

    async def script(line: Line) -> None:
        await line.open()
        await line.until(lambda: len(line.audio) > 3200)
        await line.socket.close(1001, "shutting down")

    async with edge(script) as running:
        with pytest.raises(BusUnavailable, match="shutting down"):
            async with call(running.url) as caller:
                await caller.speak(speech())


async def test_silent_server_is_a_timeout() -> None:
    """A server that never answers raises after ``wait_s``; so does one that has no workers."""

    async def mute(line: Line) -> None:
        await line.open()

    async def without_workers(line: Line) -> None:
        error = {"code": "no_worker", "message": "No stt worker is free.", "stage": "stt"}
        await line.say("error", retryable=True, **error)

    async with edge(mute) as running:
        with pytest.raises(BusTimeout, match="sent nothing"):
            async with call(running.url, wait_s=0.3) as caller:
                await caller.speak(speech(), Ending.END_STREAM)
    async with edge(without_workers) as running:
        with pytest.raises(NoWorker, match=r"No stt worker is free\."):
            async with call(running.url, wait_s=0.3):
                pass


async def test_nonsense_from_the_server_is_a_protocol_error() -> None:
    """Text that is not a JSON object with a type is named as what it is."""

    async def script(line: Line) -> None:
        await line.open()
        await line.socket.send_text("[1]")

    async with edge(script) as running:
        with pytest.raises(ProtocolError, match="not a JSON object"):
            async with call(running.url) as caller:
                await caller.type_text("hi")


async def test_address_where_nobody_answers_is_said() -> None:
    """A refused connection, another path and no address at all are three different sentences."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}/ws"
        with pytest.raises(BusUnavailable, match="Nobody answers"):
            async with call(url):
                pass
    async with edge(answer_after_pause) as running:
        with pytest.raises(ProtocolError, match="not as a voicebus edge"):
            async with call(running.url + "/else"):
                pass
    with pytest.raises(ConfigError, match="not an address"):
        async with call("http://127.0.0.1/ws"):
            pass


def test_codes_of_the_protocol_become_errors() -> None:
    """A known code is its class; one that only the edge has keeps its code as the reason."""
    assert type(error_of("engine_overloaded", "later")) is EngineOverloaded
    unknown = error_of("slow_client", "You do not read.")
    assert isinstance(unknown, ProtocolError)
    assert unknown.reason == "slow_client"


async def test_example_of_the_reference_works(tmp_path: Path) -> None:
    """The Python example in the protocol's reference runs as printed and hears the answer."""

    async def script(line: Line) -> None:
        await line.until(lambda: bool(line.got("end_stream")))
        await line.say("turn_started", turn=1, text="What leisure.")
        await line.say("reply_done", turn=1, text="Plenty.")
        await line.say("audio_start", turn=1, sample_rate=24_000)
        await line.socket.send_bytes(tone(0.1).tobytes())
        await line.say("turn_ended", turn=1, outcome="completed")

    code = REFERENCE.read_text().split("```python\n")[1].split("```")[0]
    question = tmp_path / "question.wav"
    write_wav(question, speech(), 16_000)

    async with edge(script) as running:
        command = [sys.executable, "-c", code, running.url, str(question)]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        received = bytes(running.lines[0].audio)

    assert process.returncode == 0
    assert printed.decode().split("\n")[:2] == ["What leisure.", "Plenty."]
    assert (tmp_path / "reply.pcm").read_bytes() == tone(0.1).tobytes()
    assert received == question.read_bytes()
