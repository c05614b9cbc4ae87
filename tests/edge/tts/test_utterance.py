"""One text that is spoken: its pieces in order, and every sample of its audio."""

from __future__ import annotations

import numpy as np
import pytest

from edge.tts.asked import MAX_CHARACTERS, Manner
from edge.tts.utterance import AT_ONCE, Utterance
from schemas.tts import ReplyChunk, SpeechDone
from voicebus.errors import ProtocolError

THREE = "The sea is wide today. The boats are out already. Nobody waits for them at home. "
SECOND = 24_000


def chunk(turn: int, value: int = 0, samples: int = SECOND) -> ReplyChunk:
    """Audio of a piece: samples that all have one value."""
    pcm = np.full(samples, value, np.int16).tobytes()
    return ReplyChunk(turn=turn, pcm=pcm, rate_hz=SECOND, offset=0)


def done(turn: int, **fields: bool) -> SpeechDone:
    """The end of a piece."""
    return SpeechDone(turn=turn, samples=SECOND, rate_hz=SECOND, **fields)


def values(pieces: list[bytes]) -> list[int]:
    """The value of each piece of audio."""
    return [int(np.frombuffer(piece, np.int16)[0]) for piece in pieces]


def test_pieces_are_asked_for_two_at_a_time() -> None:
    """The next one is asked for when one is spoken."""
    utterance = Utterance(Manner())
    utterance.add(THREE)
    utterance.end()
    first = utterance.due()

    assert [request.turn for request in first] == [1, 2]
    assert len(first) == AT_ONCE
    assert utterance.due() == []

    utterance.take(done(1))

    assert [request.turn for request in utterance.due()] == [3]


def test_what_comes_too_early_waits_for_its_turn() -> None:
    """Two workers speak at a time, and the second may be the faster one."""
    utterance = Utterance(Manner())
    utterance.add(THREE)
    utterance.end()
    utterance.due()

    assert utterance.take(chunk(2, 20)) == []
    assert utterance.take(done(2)) == []
    assert values(utterance.take(chunk(1, 10))) == [10]
    assert values(utterance.take(done(1))) == [20]
    assert [request.turn for request in utterance.due()] == [3]
    assert not utterance.is_done

    assert values(utterance.take(chunk(3, 30))) == [30]
    utterance.take(done(3, synthetic=True))

    assert utterance.is_done
    assert utterance.is_synthetic
    assert utterance.seconds == pytest.approx(3.0)


@pytest.mark.parametrize("is_late", [False, True], ids=["end first", "end last"])
@pytest.mark.parametrize(
    "manner",
    [Manner(sample_rate=22_050), Manner(sample_rate=44_100), Manner(format="mulaw")],
    ids=["22050", "44100", "mulaw"],
)
def test_no_sample_is_lost_at_the_end(manner: Manner, is_late: bool) -> None:
    """What the filter holds comes too: also where the text's end comes behind all of its audio."""
    utterance = Utterance(manner)
    utterance.add("The sea is wide today.\n")
    if not is_late:
        utterance.end()
    utterance.due()
    said = chunk(1, samples=manner.sound.spoken_hz)
    audio = b"".join(utterance.take(said) + utterance.take(done(1)))
    if is_late:
        assert not utterance.is_done
        utterance.end()
    assert utterance.is_done
    audio += utterance.flush()

    assert utterance.sound.ms(len(audio)) == pytest.approx(1_000, abs=1)
    assert utterance.sent_bytes == len(audio)


def test_the_bound_of_a_text_counts_all_of_its_pieces() -> None:
    """And a text that has passed it takes no more."""
    utterance = Utterance(Manner())
    utterance.add("a" * MAX_CHARACTERS)
    for _ in range(2):
        with pytest.raises(ProtocolError) as refused:
            utterance.add("b")
        assert refused.value.reason == "text_too_long"


def test_a_text_without_words_is_done_at_once() -> None:
    """No worker is asked."""
    utterance = Utterance(Manner())
    utterance.add(" \n ")
    utterance.end()

    assert utterance.due() == []
    assert utterance.is_done
    assert utterance.flush() == b""
