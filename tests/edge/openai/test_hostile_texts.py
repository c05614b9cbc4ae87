"""Texts that nobody would read aloud."""

from __future__ import annotations

import pytest

from tests.edge.openai.serving import api, tts
from tests.voicebus.audio.test_encode import heard
from voicebus.audio.encode import FORMATS

SILENT = {
    "pictures": "\U0001f600" * 4_096,
    "control characters": "\x00\x01\x1b[2J",
    "marks": "?!... -- ***",
    "lines": "\n\n.\n",
    "what takes no place": "\u200b\u2060\ufeff",
}
SPOKEN = {
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd hello",
    "letters with many marks": "e" + "\u0301" * 4_000,
    "a word without an end": "a" * 4_096,
    "a text with a NUL in it": "one\x00two",
    "markup": "<speak><audio src='file:///etc/passwd'/>hello</speak>",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
async def test_what_has_no_word_in_it_is_a_moment_of_silence(nats_server: str, text: str) -> None:
    """In every format: clients read text sentence by sentence, and play no file of no length."""
    lengths: dict[str, float] = {}
    async with api(nats_server, tts()) as served:
        for name in FORMATS:
            body = {"model": "tts-1", "input": text, "response_format": name}
            answer = await served.http.post("/v1/audio/speech", json=body)
            assert answer.status_code == 200
            data = answer.content
            lengths[name] = len(data) / 2 / 24_000 if name == "pcm" else heard(data)[0]

    assert set(lengths) == set(FORMATS)
    for seconds in lengths.values():
        assert seconds == pytest.approx(0.1, abs=0.08)


@pytest.mark.parametrize("text", SPOKEN.values(), ids=SPOKEN)
async def test_what_has_one_is_spoken(nats_server: str, text: str) -> None:
    """However odd the rest is."""
    body = {"model": "tts-1", "input": text, "response_format": "pcm"}
    async with api(nats_server, tts()) as served:
        answer = await served.http.post("/v1/audio/speech", json=body)

    assert answer.status_code == 200
    assert len(answer.content) > 24_000 * 2 // 50
