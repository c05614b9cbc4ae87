"""POST /v1/audio/transcriptions and /translations, asked by the official client."""

from __future__ import annotations

import base64
import random
import re
from typing import Any

import pytest

from schemas.audio import AudioChunk
from schemas.codec import decode
from subjects.catalog import Place, subject_of
from tests.edge.openai.hearing import MODEL, ONE, heard, hearing, talk, wav
from tests.services.stt.ears import Recogniser, quiet, sound
from tests.voicebus.audio.recordings import ALL, recording
from voicebus.errors import EngineTimeout, RequestRefused

FORM = "/v1/audio/transcriptions"


BOUNDARY = {"content-type": "multipart/form-data; boundary=b"}
BODY = b"".join(
    b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % part
    for part in (
        (b"file", b'; filename="a"', wav(ONE)),
        (b"model", b"", MODEL.encode()),
        (b"response_format", b"", b"text"),
    )
)
BODY += b"--b--\r\n"


async def test_a_file_is_transcribed(nats_server: str) -> None:
    """Text and cost, as OpenAI tells them."""
    async with hearing(nats_server) as served:
        told = await heard(served.sdk, wav(ONE, ONE))

    assert told.text == "synthetic utterance of 2.2 seconds synthetic utterance of 2.8 seconds"
    assert (told.usage.type, told.usage.seconds) == ("duration", 6)
    assert [language.code for language in told.languages] == ["en"]


async def test_a_sentence_is_stored_as_one_message(nats_server: str) -> None:
    """Somebody waits for each message of a file, and for its acknowledgement."""
    async with hearing(nats_server) as served:
        await heard(served.sdk, wav(sound(3), quiet(0.5)))
        audio = subject_of(AudioChunk, Place(served.bus.cell, served.edge, "*"))
        stored = [decode(message.payload) async for message in served.bus.read("AUDIO", audio)]

    assert [len(chunk.pcm) for chunk in stored if isinstance(chunk, AudioChunk)] == [3.5 * 32_000]


async def test_every_shape_can_be_had(nats_server: str) -> None:
    """Texts come as texts, which the client hands on as they are."""
    async with hearing(nats_server) as served:
        text = await heard(served.sdk, wav(ONE), response_format="text")
        srt = await heard(served.sdk, wav(ONE), response_format="srt")
        vtt = await heard(served.sdk, wav(ONE), response_format="vtt")
        verbose = await heard(served.sdk, wav(ONE), response_format="verbose_json")

    assert text == "synthetic utterance of 2.2 seconds\n"
    assert re.fullmatch(r"1\n00:00:00,000 --> 00:00:02,\d{3}\n.*\n\n", srt)
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert (verbose.task, verbose.language, verbose.duration) == ("transcribe", "en", 3.0)
    assert [segment.text for segment in verbose.segments] == [text.strip()]
    assert verbose.words is None


async def test_words_have_their_times(nats_server: str) -> None:
    """Of the whole recording, where they are asked for."""
    async with hearing(nats_server) as served:
        told = await heard(
            served.sdk,
            wav(ONE, ONE),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )

    assert [word.word for word in told.words] == told.text.split()
    times = [at for word in told.words for at in (word.start, word.end)]
    assert times == sorted(times)
    assert 4.9 < times[-1] < 5.3
    assert [round(segment.start, 1) for segment in told.segments] == [0.0, 3.0]


async def test_a_text_can_be_streamed(nats_server: str) -> None:
    """The deltas make up the whole, which comes at the end once more."""
    async with hearing(nats_server) as served:
        stream = await heard(served.sdk, talk(1.5), stream=True, language="en")
        events = [event async for event in stream]

    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) >= 2
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text
    assert len(re.findall("synthetic utterance", events[-1].text)) == 18


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_recording_is_translated(nats_server: str) -> None:
    """The other route says the same in English."""
    async with hearing(nats_server) as served:
        translated = await served.sdk.audio.translations.create(
            model=MODEL, file=("talk.wav", wav(ONE)), response_format="verbose_json"
        )

    assert translated.text == "synthetic translation of 2.2 seconds"
    assert translated.model_extra is not None
    assert translated.model_extra["task"] == "translate"


@pytest.mark.parametrize("name", ALL)
async def test_every_container_is_read(nats_server: str, name: str) -> None:
    """By what is in the file; its name and its declared kind say nothing."""
    async with hearing(nats_server) as served:
        told = await heard(served.sdk, recording(name), language="en")

    assert "synthetic utterance" in told.text
    assert told.usage.seconds >= 1


async def test_silence_is_no_error(nats_server: str) -> None:
    """There is nothing to say about it, and no language."""
    async with hearing(nats_server) as served:
        told = await heard(served.sdk, wav(quiet(2)))
        stream = await heard(served.sdk, wav(quiet(2)), stream=True)
        events = [event async for event in stream]

    assert (told.text, told.languages) == ("", [])
    assert [(event.type, event.text) for event in events] == [("transcript.text.done", "")]


async def test_the_engine_is_told_what_the_client_knows(nats_server: str) -> None:
    """Language, words to expect and what came before; a region is of no use to it."""
    engine = Recogniser()
    async with hearing(nats_server, engine) as served:
        await heard(
            served.sdk,
            wav(ONE),
            language="de-AT",
            prompt="x" * 2_000,
            temperature=0.4,
        )
        await heard(served.sdk, wav(ONE), languages=["ru", "uk"], keywords=["Dashwood", "Norland"])

    first, second = engine.hints
    assert (first.language, first.vocabulary, first.word_times) == ("de", "x" * 1_000, False)
    assert (second.language, second.languages) == ("", ("ru", "uk"))
    assert second.vocabulary == "Dashwood, Norland"


async def test_fields_may_come_behind_the_file(nats_server: str) -> None:
    """Clients send them in any order; none of them is missed."""
    async with hearing(nats_server) as served:
        told = await served.http.post(FORM, content=BODY, headers=BOUNDARY)

    assert (told.status_code, told.text) == (200, "synthetic utterance of 2.2 seconds\n")
    assert told.headers["content-type"].startswith("text/plain")


async def test_a_request_may_be_json_as_a_whole(nats_server: str) -> None:
    """As Open WebUI can be told to send it; what is no audio in it is named."""
    audio = {"data": base64.b64encode(wav(ONE)).decode(), "format": "wav"}
    asked = {"model": MODEL, "language": None, "x": 1}
    async with hearing(nats_server) as served:
        told = await served.http.post(FORM, json={**asked, "input_audio": audio})
        wrong = await served.http.post(FORM, json={**asked, "input_audio": {"data": "?"}})
        none = await served.http.post(FORM, json=asked)

    assert told.json()["text"] == "synthetic utterance of 2.2 seconds"
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "input_audio.data")
    assert (none.status_code, none.json()["error"]["param"]) == (400, "input_audio")


WAV = ("talk.wav", wav(ONE))


@pytest.mark.parametrize(
    ("data", "file", "status", "code", "param"),
    [
        ({}, WAV, 400, "invalid_value", "model"),
        ({"model": "gpt-9"}, WAV, 404, "model_not_found", "model"),
        ({"model": MODEL}, None, 400, "bad_field", None),
        ({"model": MODEL}, ("a.wav", b""), 415, "audio_unsupported", None),
        ({"model": MODEL}, ("a.wav", b"no recording, whatever"), 415, "audio_unsupported", None),
        ({"model": MODEL}, ("a.wav", recording("flac")[:50]), 422, "audio_corrupt", None),
        ({"model": MODEL}, ("a.wav", wav(sound(9))), 413, "audio_too_long", None),
        ({"model": MODEL}, ("a.wav", wav(sound(12))), 413, "upload_too_large", None),
        ({"model": MODEL, "language": "English"}, WAV, 400, "invalid_value", "language"),
        ({"model": MODEL, "response_format": "docx"}, WAV, 400, "invalid_value", "response_format"),
        ({"model": MODEL, "temperature": "7"}, WAV, 400, "invalid_value", "temperature"),
        ({"model": MODEL, "temperature": "hot"}, WAV, 400, "invalid_value", "temperature"),
        (
            {"model": MODEL, "timestamp_granularities[]": "word"},
            WAV,
            400,
            "invalid_value",
            "timestamp_granularities",
        ),
        (
            {"model": MODEL, "stream": "true", "response_format": "srt"},
            WAV,
            400,
            "invalid_value",
            "response_format",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_reason(
    nats_server: str, data: dict[str, str], file: Any, status: int, code: str, param: str | None
) -> None:
    """A status, a code and the field that is wrong, in OpenAI's shape."""
    limits = {"openai_max_recording_s": 8.0, "openai_max_recording_bytes": 350_000}
    async with hearing(nats_server, settings=limits) as served:
        files = {"file": file} if file else {"other": ("x", b"y")}
        answer = await served.http.post(FORM, data=data, files=files)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["param"] == param
    assert (error["type"], bool(error["message"])) == ("invalid_request_error", True)


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (RequestRefused("this model cannot translate"), 400, "request_refused"),
        (EngineTimeout("it hangs"), 504, "engine_timeout"),
    ],
)
async def test_an_engine_that_cannot_is_an_error(
    nats_server: str, failure: Any, status: int, code: str
) -> None:
    """A transcript with a hole in it would be taken for the whole."""
    engine = Recogniser()
    engine.failures += [failure] * 20
    async with hearing(nats_server, engine) as served:
        answer = await served.http.post(FORM, data={"model": MODEL}, files={"file": WAV})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"] == str(failure)


async def test_a_broken_form_is_refused(nats_server: str) -> None:
    """What is no form at all, and one that breaks off."""
    form = {"content-type": "multipart/form-data; boundary=b"}
    async with hearing(nats_server) as served:
        for headers, body in (
            ({"content-type": "multipart/form-data"}, b"--x"),
            (form, b"--c\r\nnothing"),
            ({}, b"RIFF"),
        ):
            answer = await served.http.post(FORM, content=body, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_no_body_breaks_the_server(nats_server: str) -> None:
    """A hundred bodies with bytes changed, cut out and doubled: an answer, or what is wrong."""
    chance = random.Random(7)
    async with hearing(nats_server) as served:
        for _ in range(100):
            body = bytearray(BODY)
            for _ in range(chance.randint(1, 6)):
                at = chance.choice((0, len(body) - 260)) + chance.randint(0, 250)
                match chance.randint(0, 2):
                    case 0:
                        body[at % len(body)] = chance.randint(0, 255)
                    case 1:
                        del body[at : at + chance.randint(1, 80)]
                    case _:
                        body[at:at] = body[: chance.randint(1, 200)]
            answer = await served.http.post(FORM, content=bytes(body), headers=BOUNDARY)
            assert answer.status_code < 500, (answer.text, bytes(body)[:300])
        after = await heard(served.sdk, wav(ONE))

    assert after.text == "synthetic utterance of 2.2 seconds"
