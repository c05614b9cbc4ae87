"""Speech, asked for by the official client and by hand."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx2
import openai
import pytest

from services.faults import Fault, FaultPlan
from services.tts.engines.synthetic import SyntheticEngine, SyntheticSettings
from tests.edge.openai.serving import api, tts
from tests.voicebus.audio.test_encode import heard
from tests.workers import until_done
from voicebus.audio.encode import FORMATS

TEXT = "Good morning. It is a fine day."


async def test_a_text_is_spoken_in_every_format(nats_server: str) -> None:
    """Each with its media type, and as long as the words take: 10 ms for a character."""
    async with api(nats_server, tts()) as served:
        for name, chosen in FORMATS.items():
            answer = await served.sdk.audio.speech.create(
                model="tts-1",
                voice="alloy",
                input=TEXT,
                response_format=name,  # type: ignore[arg-type]  # one of its names
            )
            assert answer.response.headers["content-type"] == chosen.mime
            data = answer.content
            seconds = len(data) / 2 / 24_000 if name == "pcm" else heard(data)[0]
            assert seconds == pytest.approx(0.3, abs=0.15)


async def test_mp3_is_what_is_made_if_nothing_is_said(nats_server: str) -> None:
    """As it is at OpenAI; a voice may be an object, or left out; unknown fields do not matter."""
    body = {"model": "tts-1", "input": TEXT, "voice": {"id": "synthetic"}, "backend": "x"}
    async with api(nats_server, tts()) as served:
        answer = await served.http.post("/v1/audio/speech", json=body)
        without = await served.http.post("/v1/audio/speech", json={"model": "tts-1", "input": "x"})

    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content[:2] == b"\xff\xf3"
    assert without.status_code == 200


async def test_audio_comes_while_it_is_made(nats_server: str) -> None:
    """The first bytes are there long before the voice is through with the text."""
    slow = SyntheticEngine(SyntheticSettings(ttfa_ms=1, piece_ms=100, pace=1.0, ms_per_char=50))
    async with (
        api(nats_server, tts(slow)) as served,
        served.sdk.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT, response_format="pcm"
        ) as answer,
    ):
        sizes = [len(piece) async for piece in answer.iter_bytes(chunk_size=None)]

    assert len(sizes) > 5


async def test_speech_comes_as_events_if_that_is_wanted(nats_server: str) -> None:
    """Deltas that make up the file, and a last event with the count."""
    body = {
        "model": "tts-1",
        "input": TEXT,
        "response_format": "wav",
        "stream_format": "sse",
    }
    async with api(nats_server, tts()) as served:
        answer = await served.http.post("/v1/audio/speech", json=body)

    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    *deltas, done = events
    file = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert file[:4] == b"RIFF"
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["input_tokens"] == len(TEXT)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_a_faster_voice_takes_less_time(nats_server: str) -> None:
    """Speed goes through to the voice."""
    async with api(nats_server, tts()) as served:
        lengths = []
        for speed in (1.0, 2.0):
            answer = await served.sdk.audio.speech.create(
                model="tts-1", voice="nova", input=TEXT, response_format="pcm", speed=speed
            )
            lengths.append(len(answer.content))

    assert lengths[1] == pytest.approx(lengths[0] / 2, rel=0.05)


@pytest.mark.parametrize(
    ("wrong", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": " \n"}, 400, "input"),
        ({"input": "x" * 4097}, 400, "input"),
        ({"voice": "nobody"}, 404, "voice"),
        ({"voice": 5}, 400, "voice"),
        ({"model": "nothing"}, 404, "model"),
        ({"response_format": "au"}, 400, "response_format"),
        ({"speed": 5}, 400, "speed"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_is_wrong_is_named(
    nats_server: str, wrong: dict[str, Any], status: int, param: str
) -> None:
    """A status of the client's, and the field."""
    body = {"model": "tts-1", "voice": "alloy", "input": TEXT, **wrong}
    async with api(nats_server, tts()) as served:
        refused = await served.http.post("/v1/audio/speech", json=body)

    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)


async def test_a_voice_that_fails_before_its_first_sound_is_an_error(nats_server: str) -> None:
    """With a status, and the code that says why."""
    hanging = SyntheticEngine(SyntheticSettings(fault=FaultPlan(fault=Fault.HANG)))
    async with api(nats_server, tts(hanging), {"openai_stall_s": 0.5}) as served:
        with pytest.raises(openai.InternalServerError) as failed:
            await served.sdk.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)

    assert (failed.value.status_code, failed.value.code) == (504, "engine_timeout")


async def test_a_voice_that_fails_in_the_middle_breaks_the_answer_off(nats_server: str) -> None:
    """A file that ended like a whole one would be taken for one."""
    plan = FaultPlan(fault=Fault.HANG, after=3)
    hanging = SyntheticEngine(SyntheticSettings(fault=plan, piece_ms=200, ms_per_char=50))
    body = {"model": "tts-1", "input": TEXT, "response_format": "pcm"}
    async with api(nats_server, tts(hanging), {"openai_stall_s": 0.5}) as served:
        with pytest.raises(httpx2.RemoteProtocolError):
            await served.http.post("/v1/audio/speech", json=body)


async def test_who_stops_listening_stops_the_voice(nats_server: str) -> None:
    """The job is done as soon as the client is gone."""
    slow = SyntheticEngine(SyntheticSettings(ttfa_ms=1, piece_ms=100, pace=1.0, ms_per_char=500))
    async with api(nats_server, tts(slow)) as served:
        async with served.sdk.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input=TEXT * 10, response_format="pcm"
        ) as answer:
            async for _ in answer.iter_bytes():
                break
        await until_done(served.bus, "tts")
        async with asyncio.timeout(10):
            while len(served.sessions):
                await asyncio.sleep(0.01)
        left = len(served.sessions)

    assert left == 0
