from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from benchmarks.alignment import Found, Harm
from benchmarks.failover_judgement import TurnRow, harmful, judged, measures, near
from benchmarks.failover_log import read
from benchmarks.failover_turns import Turn
from benchmarks.kills import Kill
from tests.benchmarks.harm import kill

REPLY = "one two three"
AUDIO = np.arange(24_000, dtype=np.int16)
TURN = Turn(
    caller=0,
    session="session-1",
    recording="sentence",
    begun_s=10.0,
    ended_s=16.0,
    response_ms=1000.0,
    transcript="utterance of 2.0 seconds",
    finals=[(950, 3050)],
    told=REPLY,
    reply=REPLY,
    spoken=["one two", "three"],
    audio=AUDIO,
    rate_hz=24_000,
)
PLACE = Found(16_000, 48_000, Harm())


def turn(**other: Any) -> Turn:
    """A turn in which all went well, but for what is said."""
    return msgspec.structs.replace(TURN, **other)


def judge(which: Turn, place: Found = PLACE, kills: tuple[Kill, ...] = ()) -> TurnRow:
    """Hold a turn against three good ones."""
    known = measures([TURN] * 3, [PLACE] * 3, {"sentence": AUDIO}, REPLY)
    return judged(which, place, known["sentence"], kills, kills)


def losses(row: TurnRow) -> dict[str, float]:
    """What was lost and doubled of each kind, without what was not."""
    kinds = ("_lost", "_doubled", "_lost_ms", "_doubled_ms", "recognised_ms")
    held = {name: getattr(row, name) for name in row.__struct_fields__ if name.endswith(kinds)}
    return {name: value for name, value in held.items() if value}


def test_a_turn_like_the_others_has_lost_nothing() -> None:
    """Neither words nor audio."""
    assert losses(judge(turn())) == {}
    assert judge(turn()).harm == ""


def test_every_way_of_hearing_a_word_is_looked_at() -> None:
    """A word may be missing where it is told, in the whole reply, or in what is spoken."""
    assert losses(judge(turn(told="one three"))) == {"words_lost": 1}
    assert losses(judge(turn(reply="one two two three"))) == {"words_doubled": 1}
    assert losses(judge(turn(spoken=["one two"]))) == {"words_lost": 1}
    cut = turn(told="one two", reply="one two", spoken=["one two"])
    assert losses(judge(cut)) == {"words_lost": 1}


def test_what_the_caller_said_is_looked_for_in_the_transcript_and_the_log() -> None:
    """A shorter utterance, an utterance that begins late, and a hole in what was stored."""
    late = turn(finals=[(1350, 3050)], transcript="utterance of 1.6 seconds")

    assert losses(judge(late)) == {"unrecognised_ms": 400.0}
    hole = turn(transcript="utterance of 1.7 seconds")
    assert losses(judge(hole)) == {"words_lost": 1, "words_doubled": 1}
    early = turn(finals=[(750, 3050)], transcript="utterance of 2.2 seconds")
    assert losses(judge(early)) == {}
    assert losses(judge(turn(), Found(16_000, 48_000, Harm(lost=320)))) == {"said_lost_ms": 20.0}
    assert losses(judge(turn(finals=[], transcript="")))["unrecognised_ms"] == 2000.0


def test_audio_that_differs_is_lost_or_doubled() -> None:
    """By its length."""
    assert losses(judge(turn(audio=AUDIO[240:]))) == {"audio_lost_ms": 10.0}
    assert losses(judge(turn(audio=np.append(AUDIO, AUDIO[:480])))) == {"audio_doubled_ms": 20.0}


def test_a_turn_without_a_measure_is_held_against_itself() -> None:
    """What is told, said and spoken must be the same words."""
    row = judged(turn(spoken=["one"]), PLACE, None, (), ())

    assert losses(row) == {"words_lost": 2}


def test_a_lost_session_is_counted_once() -> None:
    """Its words are not counted as well."""
    row = judge(turn(lost="it is gone", told="", reply="", audio=AUDIO[:0], response_ms=None))

    assert losses(row) == {}
    assert row.lost == "it is gone"


def test_a_turn_is_harmed_by_what_served_it() -> None:
    """Kills beside it are told apart, and those before and after it do not count."""
    served = kill(kind="nats", at_s=12.0)
    beside = kill(kind="stt", at_s=13.0)
    before = kill(kind="nats", at_s=3.0, whole_s=2.0)
    lasting = kill(kind="nats", at_s=8.0, whole_s=5.0)
    after = kill(kind="nats", at_s=17.0)
    kills = [served, beside, before, lasting, after]

    assert near(TURN, 9.0, kills) == [served, beside, lasting]
    assert harmful(TURN, 9.0, read([]), kills) == [served]
    assert judge(turn(), kills=(served, kill(sign="stop"))).harm == "nats+stt"
    assert judge(turn(), kills=(served, kill(sign="stop"))).sign == "stop"
    assert judged(turn(), PLACE, None, (beside,), ()).harm == "beside"
