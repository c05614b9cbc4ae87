"""Files through the whole system, asked by OpenAI's own client."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from schemas.claim import Claimed
from schemas.event import Event
from schemas.stt import PassageRecognised
from subjects.inboxes import edge_inbox
from tests.e2e.client import word_error_rate
from tests.models import model_path
from tests.system import REAL, SYNTHETIC, System
from tests.voicebus.audio.recordings import recording, sentence
from tests.workers import bus_in
from voicebus import parts
from voicebus.audio.wav import wav_header
from voicebus.settings import BusSettings

pytestmark = pytest.mark.model

LEISURE = (
    "and mister john dashwood had then leisure to consider how much there might be prudently "
    "in his power to do for them"
)
TIMES = 10
LIMIT_S = 100.0


def file_of(samples: NDArray[np.int16]) -> tuple[str, bytes]:
    """A file to be sent."""
    pcm = samples.tobytes()
    return "talk.wav", wav_header(16_000, len(pcm)) + pcm


def repeated(times: int) -> NDArray[np.int16]:
    """A recorded sentence, again and again, with a second of silence between."""
    return np.tile(np.concatenate([sentence(), np.zeros(16_000, np.int16)]), times)


@asynccontextmanager
async def client_of(system: System) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client."""
    async with openai.AsyncOpenAI(
        base_url=f"{system.root}/v1", api_key="any", max_retries=0, timeout=LIMIT_S
    ) as client:
        yield client


@pytest.fixture(scope="module")
def listening_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A fleet that does nothing but recognise: Whisper tiny.en, and no other stage."""
    model_path("silero-vad")
    model_path("whisper-tiny.en")
    settings = {**REAL, "STT_TURN_MODEL": "", "EDGE_NEEDS": "stt"}
    with System(tmp_path_factory.mktemp("ears"), settings, roles=("stt",)) as system:
        yield system


@pytest.mark.parametrize("name", ["mp3", "m4a", "webm-opus"])
async def test_a_recorded_sentence_is_understood(listening_system: System, name: str) -> None:
    """Every kind of file gives the words that were said."""
    async with client_of(listening_system) as client:
        told = await client.audio.transcriptions.create(
            model="whisper-1", file=("a", recording(name))
        )

    assert word_error_rate(LEISURE, told.text) <= 0.10
    assert told.usage is not None


async def test_a_long_recording_has_the_words_of_one_pass(listening_system: System) -> None:
    """Passages are cut between sentences: none is broken, and words have their times."""
    async with client_of(listening_system) as client:
        told = await client.audio.transcriptions.create(
            model="whisper-tiny.en",
            file=file_of(repeated(TIMES)),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )

    assert word_error_rate(" ".join([LEISURE] * TIMES), told.text) <= 0.10
    assert told.segments is not None
    assert told.words is not None
    length_s = len(repeated(1)) / 16_000
    assert [round(s.start / length_s, 1) for s in told.segments] == pytest.approx(
        list(range(TIMES)), abs=0.1
    )
    times = [at for word in told.words for at in (word.start, word.end)]
    assert times == sorted(times)
    assert " ".join(word.word for word in told.words) == told.text


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_model_that_cannot_translate_says_so(listening_system: System) -> None:
    """It knows English only; an English text of Russian speech would be invented."""
    async with client_of(listening_system) as client:
        with pytest.raises(openai.BadRequestError, match="cannot translate"):
            await client.audio.translations.create(model="whisper-1", file=file_of(sentence()))


@pytest.mark.slow
@pytest.mark.fault
async def test_a_worker_that_is_killed_costs_no_words(tmp_path: Path) -> None:
    """Half of a recording's passages are in its hands: another one does them, each once."""
    model_path("silero-vad")
    settings = {**SYNTHETIC, "STT_SYNTHETIC_MS": "400", "EDGE_NEEDS": "stt"}
    own = {"stt": {"WORKER_ID": "stt-1"}}
    with System(tmp_path, settings, roles=("stt",), own=own) as system:
        second = parts.worker_part("stt", system.environment(WORKER_ID="stt-2"))
        system.add(msgspec.structs.replace(second, name="stt-2"))
        await asyncio.to_thread(system.wait_ready)
        events: list[Event] = []
        cell = BusSettings().cell
        async with (
            bus_in(system.nats.url, cell) as bus,
            bus.listen(edge_inbox(cell, "*")) as inbox,
            client_of(system) as client,
        ):
            asking = asyncio.create_task(
                client.audio.transcriptions.create(
                    model="whisper-1",
                    file=file_of(repeated(3 * TIMES)),
                    response_format="verbose_json",
                    language="en",
                )
            )
            while not in_hands(events, "stt-1"):
                async with asyncio.timeout(LIMIT_S):
                    events.append((await inbox.next())[1])
            lost = in_hands(events, "stt-1")
            killed = system.processes.pop("stt")
            killed.signal(signal.SIGKILL)
            await asyncio.to_thread(killed.wait, LIMIT_S)
            told = await asking
            events += [(await inbox.next())[1] for _ in range(len(inbox))]

    assert told.segments is not None
    length_s = len(repeated(1)) / 16_000
    assert [s.start / length_s for s in told.segments] == pytest.approx(
        list(range(3 * TIMES)), abs=0.1
    )
    taken = [e for e in events if isinstance(e, Claimed) and e.turn in lost]
    assert {(claim.worker, claim.delivery > 1) for claim in taken} >= {
        ("stt-1", False),
        ("stt-2", True),
    }


def in_hands(events: list[Event], worker: str) -> set[int]:
    """The passages that a worker holds, once some of the recording are done."""
    done = {event.turn for event in events if isinstance(event, PassageRecognised)}
    held = {e.turn for e in events if isinstance(e, Claimed) and e.worker == worker}
    return held - done if len(done) >= 2 else set()
