"""What a speaker does besides its audio: words' times, pace, fillers, given texts, waste."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.session import Played
from schemas.tts import ReplyChunk, SpeakRequest
from schemas.turn import TurnCancelled, TurnStarted
from services.tts import script
from services.tts.language import Language
from tests.services.tts.speaking import SETTINGS, Toy, Turn, clause, last, turn_at
from tests.workers import until
from voicebus import metrics

MS_PER_CHAR = int(SETTINGS.ms_per_char)


class InPieces(Toy):
    """A voice that makes each word a piece of its own, and may take its time for it."""

    def __init__(self, pause_s: float = 0.0) -> None:
        super().__init__()
        self.pause_s = pause_s

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak word by word."""
        for word in text.split():
            await asyncio.sleep(self.pause_s)
            async for piece in super().synthesise(word, voice, speed):
                yield piece


def wasted(reason: str) -> float:
    """Seconds of audio that nobody heard, so far."""
    return metrics.TTS_WASTED_SECONDS.labels(reason)._value.get()  # type: ignore[no-any-return]


async def made_ms(turn: Turn) -> float:
    """How much audio there is, once no more comes."""
    known = -1
    while len(turn.chunks()) != known:
        known = len(turn.chunks())
        await asyncio.sleep(0.2)
    return sum(len(chunk.pcm) for chunk in turn.chunks()) / 2 / turn.chunks()[0].rate_hz * 1000


async def test_each_word_is_found_in_the_audio(nats_server: str) -> None:
    """To the millisecond, with a voice that takes as long for each character as for any other."""
    texts = ("Hello there, you.", "It is **so**!")
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, texts[0]), clause(1, texts[1]), last(2))
        await turn.speak(Toy(), SpeakRequest(turn=1, rate_hz=16_000))

    first, second = turn.spoken()
    assert (first.text, second.text) == texts
    assert (first.seq, second.seq) == (0, 1)
    assert first.word_ends_ms == tuple(MS_PER_CHAR * chars for chars in (5, 12, 17))
    assert second.word_ends_ms == tuple(MS_PER_CHAR * (17 + chars) for chars in (2, 5, 9))
    assert (first.start_ms, first.end_ms) == (0, 17 * MS_PER_CHAR)
    assert second.start_ms == pytest.approx(first.end_ms, abs=2)
    assert turn.done()[0].samples / 16 == pytest.approx(second.end_ms, abs=2)


@pytest.mark.parametrize(
    "engine", [Toy(), InPieces(0.0), InPieces(0.03)], ids=["whole", "fast", "slow"]
)
async def test_words_are_told_before_the_last_of_their_audio(nats_server: str, engine: Toy) -> None:
    """Of a stretch that is made as a whole, before the first: whoever hears it knows its words."""
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Several words in here."), clause(1, "And some more."), last(2))
        await turn.speak(engine, SpeakRequest(turn=1, rate_hz=16_000))

    for number, spoken in enumerate(turn.spoken()):
        chunks = [e for e in turn.heard if isinstance(e, ReplyChunk) and e.clause == number]
        order = turn.heard.index(spoken)
        assert order < turn.heard.index(chunks[-1])
        assert spoken.end_ms > spoken.start_ms
        if type(engine) is Toy:
            assert order < turn.heard.index(chunks[0])


async def test_what_has_no_sound_is_told_all_the_same(nats_server: str) -> None:
    """A reply's text is complete, though not all of it can be spoken."""
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "😀"), clause(1, "Words."), last(2))
        await turn.speak(Toy())

    silent, _ = turn.spoken()
    assert (silent.text, silent.start_ms, silent.end_ms, silent.word_ends_ms) == ("😀", 0, 0, (0,))


async def test_silence_around_words_belongs_to_none(nats_server: str) -> None:
    """A stretch begins and ends with what is audible of it."""

    class Padded(Toy):
        async def synthesise(
            self, text: str, voice: str, speed: float, language: str = ""
        ) -> AsyncGenerator[NDArray[np.int16], None]:
            pause = np.zeros(self.sample_rate_hz // 5, np.int16)
            tone = [piece async for piece in super().synthesise(text, voice, speed)]
            yield np.concatenate([pause, *tone, pause])

    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Ten chars."), clause(1, "Ten chars."), last(2))
        await turn.speak(Padded())

    first, second = turn.spoken()
    assert (first.start_ms, first.end_ms) == pytest.approx((20, 220), abs=2)
    assert (second.start_ms, second.end_ms) == pytest.approx((620, 820), abs=2)


async def test_a_given_text_is_spoken_without_any_clause(nats_server: str) -> None:
    """A greeting comes as a whole, and is said sentence by sentence."""
    engine = Toy()
    text = "Welcome to the library! We are open until 5 p.m. today. How can I help?"
    async with turn_at(nats_server) as turn:
        await turn.speak(engine, SpeakRequest(turn=1, text=text))

    assert engine.texts == [
        "Welcome to the library!",
        "We are open until five P M today.",
        "How can I help?",
    ]
    assert " ".join(spoken.text for spoken in turn.spoken()) == text
    assert [chunk.clause for chunk in turn.chunks()] == sorted(c.clause for c in turn.chunks())
    assert len(turn.done()) == 1


@pytest.mark.parametrize("released", ["before", "after"])
async def test_synthesis_stays_a_bounded_time_ahead_of_playback(
    nats_server: str, released: str
) -> None:
    """It waits for what was played, and goes on with it; before the release it waits as well."""
    sentence = "This one is thirty characters."
    length_ms = len(sentence) * MS_PER_CHAR
    request = SpeakRequest(turn=1, text=" ".join([sentence] * 8), ahead_s=1.0)
    begun = TurnStarted(turn=1, text="x")
    async with turn_at(nats_server) as turn:
        if released == "before":
            await turn.tell(begun)
        working = asyncio.create_task(turn.speak(Toy(), request))
        await until(lambda: len(turn.spoken()) >= 2)
        if released == "after":
            assert await made_ms(turn) <= 1_000 + length_ms
            await asyncio.sleep(0.5)
            assert len(turn.spoken()) == 2
            await turn.tell(begun)
        else:
            assert len(turn.spoken()) == 2
        await until(lambda: len(turn.spoken()) >= 3)
        assert len(turn.spoken()) == 3
        await turn.bus.publish(Played(turn=1, played_ms=8 * length_ms), turn.place)
        await asyncio.wait_for(working, 3)

    assert len(turn.spoken()) == 8


@pytest.mark.parametrize("slow", [True, False], ids=["slow", "fast"])
async def test_a_filler_is_said_when_the_words_are_late(nats_server: str, slow: bool) -> None:
    """Once, before them, and never as part of the reply."""
    engine = Toy()
    request = SpeakRequest(turn=1, filler="One moment.", filler_after_s=0.3)
    async with turn_at(nats_server) as turn:
        await turn.tell(TurnStarted(turn=1, text="x"))
        working = asyncio.create_task(turn.speak(engine, request))
        if slow:
            await until(lambda: bool(turn.spoken()))
        await turn.tell(clause(0, "Words."), last(1))
        await working

    assert engine.texts == (["One moment.", "Words."] if slow else ["Words."])
    assert [spoken.text for spoken in turn.spoken()] == (["", "Words."] if slow else ["Words."])
    assert not slow or turn.spoken()[0].word_ends_ms == ()


async def test_nobody_is_asked_to_wait_before_the_turn_has_begun(nats_server: str) -> None:
    """The wait for the first words counts from where somebody waits for them."""
    engine = Toy()
    request = SpeakRequest(turn=1, filler="One moment.", filler_after_s=0.2)
    async with turn_at(nats_server) as turn:
        working = asyncio.create_task(turn.speak(engine, request))
        await asyncio.sleep(0.5)
        assert engine.texts == []
        await turn.tell(TurnStarted(turn=1, text="x"))
        await until(lambda: bool(turn.spoken()))
        await turn.tell(last(0))
        await working

    assert engine.texts == ["One moment."]


async def test_audio_that_was_broken_off_is_counted(nats_server: str) -> None:
    """What was made and not heard is the price of talking ahead."""
    before = wasted("interrupted")
    async with turn_at(nats_server) as turn:
        await turn.tell(TurnStarted(turn=1, text="x"))
        working = asyncio.create_task(turn.speak(Toy()))
        await turn.tell(clause(0, "A hundred characters " * 5))
        await until(lambda: len(turn.chunks()) >= 19)
        await turn.bus.publish(Played(turn=1, played_ms=1_500), turn.place)
        await turn.bus.publish(TurnCancelled(turn=1), turn.place)
        await working

    assert wasted("interrupted") - before == pytest.approx(0.58, abs=0.1)


async def test_audio_that_was_never_to_be_heard_is_counted(nats_server: str) -> None:
    """All of it, when the speaker went on and the turn did not begin."""
    before = wasted("speculative")
    async with turn_at(nats_server) as turn:
        working = asyncio.create_task(turn.speak(Toy()))
        await turn.tell(clause(0, "Fifty characters are one second of this voice, ok."))
        await until(lambda: len(turn.chunks()) >= 9)
        await turn.bus.publish(TurnCancelled(turn=1), turn.place)
        await working

    assert wasted("speculative") - before == pytest.approx(1.0, abs=0.02)


async def test_a_clause_that_was_missed_is_found_in_the_log(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told before we listened, and stored after we had looked."""
    read = script.Script._read_log

    async def blind_at_first(self: script.Script) -> None:
        if self._sequence:
            await read(self)
        self._sequence = self._sequence or 1

    monkeypatch.setattr(script.Script, "_read_log", blind_at_first)
    engine = Toy()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Words."), last(1))
        working = asyncio.create_task(turn.speak(engine))
        for number in range(8):  # which are no reason to look no further
            await turn.bus.publish(Played(turn=1, played_ms=number), turn.place)
            await asyncio.sleep(0.1)
        await asyncio.wait_for(working, 3)

    assert engine.texts == ["Words."]


async def test_a_voice_that_fails_says_so_behind_what_it_said(nats_server: str) -> None:
    """The next piece is made while one is told; its failure takes nothing back."""

    class Failing(InPieces):
        async def synthesise(
            self, text: str, voice: str, speed: float, language: str = ""
        ) -> AsyncGenerator[NDArray[np.int16], None]:
            async for piece in super().synthesise("Word", voice, speed):
                yield np.tile(piece, 10)
            raise ValueError("no more")

    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Two words."), last(1))
        with pytest.raises(ValueError, match="no more"):
            await turn.speak(Failing())
        await until(lambda: bool(turn.chunks()))

    assert turn.done() == []


def test_the_language_of_a_text_is_the_voice_s_or_its_script_s() -> None:
    """Numbers are read in the language of the words before them."""
    found = Language("", "en")

    assert [found.of(text) for text in ("5", "Hello", "Привет", "5", "їжак", "Hi")] == [
        "en", "en", "ru", "ru", "und", "en",
    ]  # fmt: skip
    assert Language("de", "en").of("Привет") == "de"
    assert Language("", "").of("x") == "en"
