"""A turn whose speaker was lost is spoken on by another: no gap, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.event import Event
from schemas.tts import FILLER, ClauseSpoken, ReplyChunk, SpeakRequest
from schemas.turn import TurnStarted
from services.tts.engine import Engine
from services.tts.engines.piper import PiperEngine
from services.tts.engines.synthetic import SyntheticEngine
from services.tts.published import NOTHING, Published, gathered
from services.tts.voice import CHUNK_MS
from services.tts.worker import speak
from tests.services.tts.speaking import SETTINGS, Turn, clause, last, turn_at
from tests.workers import claim_on
from voicebus.audio.pcm import samples_of
from voicebus.claim import Claim
from voicebus.errors import EngineError

TEXTS = ("Well, hello there.", "This is the second one, longer.", "And that is the end.")
REQUEST = SpeakRequest(turn=1, rate_hz=16_000)


class Tones(SyntheticEngine):
    """A voice of which each text has a sound of its own, in pieces of no round length.

    Args:
        stretch: Factor on its length, for a voice of another make.
    """

    def __init__(self, stretch: float = 1.0) -> None:
        super().__init__(SETTINGS)
        self.texts: list[str] = []
        self._stretch = stretch

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak noise that depends on the text."""
        self.texts.append(text)
        length = int(len(text) * 20 * 22.05 * self._stretch)
        noise = np.random.default_rng(len(text)).integers(-9_000, 9_000, length).astype(np.int16)
        for piece in np.array_split(noise, 3):
            await asyncio.sleep(0.001)
            yield piece


class Lost(Claim):
    """A claim whose worker is lost behind so many messages."""

    left = 0

    async def publish(self, event: Event) -> None:
        """Publish, or be lost."""
        if not self.left:
            raise EngineError("lost")
        self.left -= 1
        await super().publish(event)


async def begun(turn: Turn, engine: Engine, messages: int, request: SpeakRequest) -> None:
    """Have a worker speak until it has published so many messages."""
    claim = await claim_on(turn.bus, turn.place, "tts", request)
    claim.__class__ = Lost
    claim.left = messages  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="lost"):
        await asyncio.wait_for(speak(claim, engine), 120)


async def taken_over(turn: Turn, engine: Engine, request: SpeakRequest) -> None:
    """Do the work of a turn that another worker has begun."""
    claim = await claim_on(turn.bus, turn.place, "tts", request, attempt=2)
    await asyncio.wait_for(speak(claim, engine), 120)
    await turn.bus.flush()
    await asyncio.sleep(0.05)


async def unharmed(url: str, engine: Engine, request: SpeakRequest = REQUEST) -> Turn:
    """The same turn, spoken by one worker."""
    async with turn_at(url) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await turn.speak(engine, request)
        return turn


def audio(turn: Turn) -> NDArray[np.int16]:
    """The turn's audio, which must be without gap and doubling."""
    position = 0
    for number, chunk in enumerate(turn.chunks()):
        assert (chunk.seq, chunk.offset) == (number, position)
        position += len(chunk.pcm) // 2
    assert turn.done()[0].samples == position
    return samples_of(b"".join(chunk.pcm for chunk in turn.chunks()))


def expect_same(ours: NDArray[np.int16], theirs: NDArray[np.int16]) -> None:
    """Sample by sample, but for the noise of the resampler where it rounds."""
    assert len(ours) == len(theirs)
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def told(turn: Turn) -> list[ClauseSpoken]:
    """What is known of the words, whoever told it."""
    assert [spoken.seq for spoken in turn.spoken()] == list(range(len(turn.spoken())))
    return [msgspec.structs.replace(spoken, epoch=0) for spoken in turn.spoken()]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("messages", [0, 1, 2, 3, 5, 6, 9, 14, 16, 17])
async def test_the_audio_goes_on_where_its_speaker_was_lost(
    nats_server: str, messages: int, rate_hz: int
) -> None:
    """Behind any message: audio, words and their times are those of an unharmed turn."""
    request = msgspec.structs.replace(REQUEST, rate_hz=rate_hz)
    whole = await unharmed(nats_server, Tones(), request)
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await begun(turn, Tones(), messages, request)
        await taken_over(turn, Tones(), request)

    assert len(whole.heard) - len(TEXTS) - 1 > messages
    expect_same(audio(turn), audio(whole))
    assert told(turn) == told(whole)


async def test_what_is_whole_is_not_made_again(nats_server: str) -> None:
    """Of three clauses, two of which are known, one is synthesised."""
    whole = await unharmed(nats_server, Tones())
    second = [e for e in whole.heard if isinstance(e, ReplyChunk | ClauseSpoken)]
    behind_two = next(n for n, e in enumerate(second) if getattr(e, "clause", 0) == 2)
    other = Tones()
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await begun(turn, Tones(), behind_two, REQUEST)
        await taken_over(turn, other, REQUEST)

    assert other.texts == list(TEXTS[2:])


@pytest.mark.parametrize("stretch", [0.6, 1.4])
@pytest.mark.parametrize("messages", [2, 6, 9, 14])
async def test_a_voice_of_another_make_leaves_no_gap_either(
    nats_server: str, messages: int, stretch: float
) -> None:
    """It speaks faster or slower: the numbers go on, and what was told of words stays true."""
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await begun(turn, Tones(), messages, REQUEST)
        await taken_over(turn, Tones(stretch), REQUEST)

    assert len(audio(turn)) > 0
    ends = [spoken.end for spoken in told(turn)]
    assert len(ends) == len(TEXTS)
    assert ends == sorted(ends)
    assert ends[-1] == turn.done()[0].samples


async def test_a_log_that_lags_does_no_harm(nats_server: str) -> None:
    """Chunks that the edge has and the log has not come again with the same number and sound."""
    whole = await unharmed(nats_server, Tones())
    known = {chunk.seq: chunk.pcm for chunk in whole.chunks()}
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await turn.tell(whole.spoken()[0], whole.spoken()[1])
        await turn.tell(*whole.chunks()[:5])
        await taken_over(turn, Tones(), REQUEST)

    assert len(turn.chunks()) == len(known)
    for chunk in turn.chunks():
        expect_same(samples_of(chunk.pcm), samples_of(known[chunk.seq]))


@pytest.mark.parametrize("messages", [1, 2, 3, 7])
async def test_a_filler_is_said_once(nats_server: str, messages: int) -> None:
    """The second worker knows that the caller was asked to wait."""
    request = msgspec.structs.replace(REQUEST, filler="One moment, please.", filler_after_s=0.1)
    other = Tones()
    async with turn_at(nats_server) as turn:
        await turn.tell(TurnStarted(turn=1, text="x"))
        losing = asyncio.create_task(begun(turn, Tones(), messages, request))
        await asyncio.sleep(0.5)
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await losing
        await taken_over(turn, other, request)

    audio(turn)
    assert [spoken.text for spoken in turn.spoken()] == ["", *TEXTS]
    assert {chunk.clause for chunk in turn.chunks()} == {FILLER, 0, 1, 2}


async def test_a_turn_that_was_told_to_its_end_is_not_spoken_again(nats_server: str) -> None:
    """The worker was lost between its last chunk and its acknowledgement."""
    other = Tones()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, TEXTS[0]), last(1))
        await turn.speak(Tones(), REQUEST)
        chunks = len(turn.chunks())
        await taken_over(turn, other, REQUEST)

    assert (len(turn.chunks()), len(turn.spoken()), len(turn.done())) == (chunks, 1, 1)
    assert other.texts == []


def test_only_chunks_without_a_gap_count() -> None:
    """What is behind a gap, or of another attempt, is no audio that we know."""

    def chunk(seq: int, offset: int, revision: int = 0) -> Event:
        pcm = b"\0\0" * 10
        return ReplyChunk(turn=1, revision=revision, seq=seq, pcm=pcm, rate_hz=8_000, offset=offset)

    ours = SpeakRequest(turn=1)
    events = [chunk(0, 0), chunk(1, 10), chunk(1, 10), chunk(3, 30), chunk(2, 20, revision=1)]

    found = gathered(enumerate(events, start=7), ours)

    assert found == Published(samples=20, chunks=2, first_ns=7)
    assert gathered([], ours) == NOTHING


@pytest.mark.model
async def test_piper_goes_on_within_a_clause_without_a_seam(
    nats_server: str, piper: PiperEngine
) -> None:
    """The real voice: sample by sample the audio of an unharmed turn."""
    request = msgspec.structs.replace(REQUEST, rate_hz=24_000)
    await piper.warm()
    whole = await unharmed(nats_server, piper, request)
    step = request.rate_hz * CHUNK_MS // 1000
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clause(n, text) for n, text in enumerate(TEXTS)), last(len(TEXTS)))
        await begun(turn, piper, 7, request)
        cut = sum(len(chunk.pcm) // 2 for chunk in turn.chunks())
        await taken_over(turn, piper, request)

    assert cut > step
    expect_same(audio(turn), audio(whole))
    assert told(turn) == told(whole)
