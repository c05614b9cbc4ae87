"""Real engines, real recorded speech: what is understood is what the WebSocket edge understands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Final

import numpy as np
import pytest

from schemas.codec import decode
from schemas.turn import TurnStarted
from subjects.catalog import CATALOG, Place, place_of, subject_of
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.serving import BOT, Served, ogg_of, served
from tests.e2e.client import connected, word_error_rate
from tests.models import model_path
from tests.system import REAL
from tests.voicebus.audio.recordings import SAMPLES
from voicebus.audio.sniff import sniff_file
from voicebus.audio.stream import StreamDecoder
from voicebus.audio.wav import read_wav
from voicebus.bus.client import connect
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

MOST_WORSE: Final = 0.02
"""Two points of the word error rate."""

LIMIT_S: Final = 120.0


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Whisper tiny.en, SmolLM2 behind llama.cpp, Piper, and a bridge."""
    for name in ("whisper-tiny.en", "smollm2-135m-instruct-q4_1", "piper-en_US-joe-medium"):
        model_path(name)
    with served(tmp_path_factory.mktemp("telegram-real"), REAL) as serving:
        yield serving


def samples() -> dict[str, str]:
    """The recorded sentences, by their files."""
    listed = tomllib.loads((SAMPLES / "samples.toml").read_text())["sample"]
    return {entry["file"]: entry["text"] for entry in listed}


async def understood(real: Served) -> list[str]:
    """What the turns of Telegram's sessions were about, in order."""
    bus = await connect(BusSettings(nats_url=real.system.nats.url), "test")
    subject = subject_of(TurnStarted, Place("*", "*", "*"))
    try:
        found = [
            (place_of(recorded.subject), decode(recorded.payload))
            async for recorded in bus.read(CATALOG[TurnStarted].stream, subject)
        ]
    finally:
        await bus.close()
    return [
        event.text
        for place, event in found
        if isinstance(event, TurnStarted) and place.edge.startswith("t")
    ]


async def test_words_are_understood_as_at_the_websocket(real: Served) -> None:
    """All recorded sentences, as voice messages with Opus and as they are through the socket."""
    said, heard = " ".join(samples().values()), []
    ann = Person(real.api, BOT, 60_001)
    for number, name in enumerate(samples(), start=1):
        pcm = read_wav(SAMPLES / name)[1]
        ann.record(ogg_of(pcm.tobytes()), len(pcm) / 16_000)
        ann.until_seen(number, LIMIT_S)
        async with connected(real.system, {"turn_taking": "manual"}) as client:
            await client.send_file((SAMPLES / name).read_bytes())
            await client.until("turn_ended", within_s=LIMIT_S)
        heard.append(" ".join(final["text"] for final in client.messages("final")))

    at_websocket = word_error_rate(said, " ".join(heard))
    texts = await understood(real)
    at_telegram = word_error_rate(said, " ".join(texts))
    assert at_telegram <= at_websocket + MOST_WORSE, (heard, texts)
    answers = ann.seen()
    assert [answer.method for answer in answers] == ["sendVoice"] * len(samples())
    real.expect_clean()


async def test_an_answer_is_a_voice_that_can_be_played(real: Served) -> None:
    """Its length is what it says, and there is sound in it."""
    ann = Person(real.api, BOT, 60_002)
    ann.write("/voice")
    ann.press("a:voice", ann.until_seen()[0])
    ann.until("editMessageText")
    ann.write("Say one short sentence about the sea.")
    answer = ann.until("sendVoice", within_s=LIMIT_S)[0]

    file = answer.given["voice"]
    async with StreamDecoder(sniff_file(file), max_seconds=300) as decoder:
        await decoder.feed(file)
        await decoder.finish()
        pcm = b"".join([piece async for piece in decoder])
    sound = np.frombuffer(pcm, np.int16)
    assert abs(len(sound) / 16_000 - int(answer.given["duration"])) <= 1.0
    assert int(np.abs(sound).max()) > 1000
    real.expect_clean()
