"""What a client has from another edge is not told again."""

from __future__ import annotations

from typing import Any

from edge.known import Known
from edge.wire import Has

Message = dict[str, Any]

HAS = Has(
    utterance=2,
    turn=3,
    characters=5,
    audio_bytes=6,
    spoken=1,
    told=("audio_start", "pause", "reply_done"),
)


def of(kind: str, turn: int = 3, **fields: Any) -> Message:
    """A message about a turn."""
    return {"type": kind, "turn": turn, **fields}


def test_a_new_client_is_told_everything() -> None:
    """It has nothing."""
    known = Known()
    ready = {"type": "ready"}

    assert known.message(ready) is ready
    assert known.message(of("turn_started", 1)) == of("turn_started", 1)
    assert known.audio(b"1234", 1) == b"1234"


def test_words_go_on_behind_those_that_are_known() -> None:
    """However the text is cut into messages."""
    known = Known(HAS)
    told = [known.message(of("reply_text", text=text)) for text in ("Hel", "lo you", " there")]

    assert told == [None, of("reply_text", text=" you"), of("reply_text", text=" there")]


def test_audio_goes_on_behind_what_is_known() -> None:
    """To the sample; of an earlier turn nothing is sent, of a later one everything."""
    known = Known(HAS)

    assert [known.audio(b"1234", 3) for _ in range(3)] == [b"", b"34", b"1234"]
    assert known.audio(b"1234", 2) == b""
    assert known.audio(b"1234", 4) == b"1234"


def test_what_is_told_once_is_told_once() -> None:
    """A turn's beginning, where its audio begins, the whole text, and what speaks which words."""
    known = Known(HAS)
    kinds = ("turn_started", "audio_start", "reply_done", "latency", "spoken", "spoken")
    told = [known.message(of(kind)) for kind in (*kinds, "audio_complete", "turn_ended")]

    assert told == [None] * 5 + [of("spoken"), of("audio_complete"), of("turn_ended")]


def test_orders_and_errors_always_pass() -> None:
    """A reply may be paused a second time."""
    known = Known(HAS)

    assert [known.message(of(kind)) for kind in ("pause", "resume", "error")] == [
        of("pause"),
        of("resume"),
        of("error"),
    ]


def test_finals_count_by_their_utterance() -> None:
    """Those that the client has not are told; that the session is ready it knows."""
    known = Known(HAS)
    finals = [{"type": "final", "utterance": number} for number in (2, 3)]

    assert [known.message(final) for final in finals] == [None, finals[1]]
    assert known.message({"type": "ready"}) is None
    assert known.message(of("turn_ended", 2)) is None
    assert known.message(of("turn_started", 4)) == of("turn_started", 4)


def test_words_that_were_taken_back_are_counted_with_the_others() -> None:
    """A client that has read any of the new words knows that the former ones are gone."""
    anew = of("reply_text", text="Oh. Yes", anew=True)
    pieces = (of("reply_text", text="Hel"), anew, of("reply_text", text="."))

    def told(characters: int) -> list[Message | None]:
        known = Known(Has(turn=3, characters=characters))
        return [known.message(piece) for piece in pieces]

    last = pieces[-1]
    assert told(2) == [of("reply_text", text="l"), anew, last]
    assert told(3) == [None, anew, last]
    assert told(5) == [None, of("reply_text", text=". Yes"), last]
    assert told(11) == [None, None, None]


def test_words_that_are_taken_back_without_others_are_taken_back_again() -> None:
    """Nobody can tell by their length whether the client knows; twice does no harm."""
    known = Known(Has(turn=3, characters=3))
    told = [known.message(of("reply_text", text="Hel"))]
    anew = of("reply_text", text="", anew=True)

    assert [*told, known.message(anew)] == [None, anew]


def test_who_has_read_on_is_not_told_again_that_words_were_taken_back() -> None:
    """It would drop the new words, which it is not told again either."""
    anew = of("reply_text", text="", anew=True)
    pieces = (of("reply_text", text="Well,"), anew, of("reply_text", text="abc"))

    def told(characters: int) -> list[Message | None]:
        known = Known(Has(turn=3, characters=characters))
        return [known.message(piece) for piece in pieces]

    assert told(8) == [None, None, None]
    assert told(6) == [None, None, of("reply_text", text="bc")]
    assert told(5) == [None, anew, pieces[-1]]
    assert told(0) == [*pieces]
