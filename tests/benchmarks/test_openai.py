from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import openai, openai_edge
from benchmarks.openai_edge import FirstSound
from benchmarks.openai_figures import BARS_OF, KINDS, LIMITS, Row, bars, figures, void_reasons
from benchmarks.openai_overhead import QUESTIONS, SENTENCES, Answer, Contest, compare
from benchmarks.prompts import project_samples
from benchmarks.talk import talk
from voicebus.errors import EngineError
from voicebus.sentences import Splitter, SplitterSettings


def rounds(kind: str, count: int = 10, **time_ms: float) -> list[Row]:
    """Rounds in which each variant always takes its time."""
    return [
        Row(kind=kind, variant=variant, round=number, time_ms=ms, text="words", seconds=2.0)
        for number in range(count)
        for variant, ms in time_ms.items()
    ]


def long(one_s: float, two_s: float, text: str = "words") -> list[Row]:
    """A long file on one worker and on two."""
    given = {"kind": "long", "seconds": 3600.0}
    rows = [
        {**given, "variant": "1", "time_ms": 1000 * one_s, "text": "words"},
        {**given, "variant": "2", "time_ms": 1000 * two_s, "text": text},
    ]
    return msgspec.convert(rows, list[Row])


def test_the_overhead_is_the_edge_less_the_engine() -> None:
    """Round by round, the mean of the edge's two; one slow round does not decide."""
    rows = rounds("speech", edge=60.0, again=64.0, direct=50.0)
    rows[0] = msgspec.structs.replace(rows[0], time_ms=900.0)

    found = figures(rows, 1)

    assert found["speech_overhead_p50_ms"] == pytest.approx(12.0)
    assert found["speech_overhead_p50_ms_ci_high"] == pytest.approx(12.0)
    assert found["same_edge_speech_p50_ms"] == pytest.approx(-4.0)
    assert found["speech_direct_p50_ms"] == pytest.approx(50.0)


def test_recordings_have_a_real_time_factor() -> None:
    """Time over length, on both sides."""
    found = figures(rounds("transcription", edge=300.0, again=300.0, direct=290.0), 1)

    assert found["transcription_edge_rtf"] == pytest.approx(0.15)
    assert found["transcription_direct_rtf"] == pytest.approx(0.145)
    assert found["transcription_same_text_ratio"] == 1.0


def test_rounds_without_an_answer_are_left_out() -> None:
    """A difference needs all three of its round."""
    rows = rounds("chat", count=2, edge=30.0, again=30.0, direct=20.0)
    rows[2] = msgspec.structs.replace(rows[2], time_ms=None, error="it broke")

    found = figures(rows, 1)

    assert found["chat_overhead_p50_ms"] == pytest.approx(10.0)
    assert "it broke" in void_reasons(rows, 0.0, 1)[0]


def test_idle_sockets_count_what_the_edge_grew_by() -> None:
    """Not what it has without them."""
    rows = [
        Row(kind="idle", memory_mb=50.0),
        Row(kind="idle", sockets=200, memory_mb=90.0),
    ]

    found = figures(rows, 1)

    assert found["idle_sockets_200_mb"] == pytest.approx(40.0)
    assert found["idle_socket_kb"] == pytest.approx(200.0)


def test_passages_are_held_against_one_pass() -> None:
    """Wrong words of all that were said, in points."""
    rows = [
        Row(kind="passages", variant="edge", errors=6, words=200, time_ms=1.0),
        Row(kind="passages", variant="direct", errors=5, words=200, time_ms=1.0),
    ]

    assert figures(rows, 1)["passages_wer_delta"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        (rounds("speech", edge=64.0, again=64.0, direct=50.0), True),
        (rounds("speech", edge=66.0, again=66.0, direct=50.0), False),
        (long(360.0, 190.0), True),
        (long(360.0, 220.0), False),
    ],
)
def test_bars_hold_or_do_not(rows: list[Row], holds: bool) -> None:
    """An overhead may be at most its limit, a speedup at least."""
    assert [bar.holds for bar in bars(figures(rows, 1))] == [holds]


def test_a_run_that_says_nothing_is_void() -> None:
    """The edge differs from itself, the machine was away, or two workers heard other words."""
    assert void_reasons(rounds("chat", edge=30.0, again=30.0, direct=20.0), 0.0, 1) == []
    assert "chat" in void_reasons(rounds("chat", edge=30.0, again=70.0, direct=20.0), 0.0, 1)[0]
    assert void_reasons(rounds("chat", edge=30.0, again=30.0, direct=20.0), 0.5, 1)
    assert void_reasons(long(360.0, 190.0, text="others"), 0.0, 1)
    assert void_reasons(long(360.0, 190.0), 0.0, 1) == []


def test_a_run_without_one_of_its_bars_is_void() -> None:
    """What was to be measured and was not does not hold: one failed file among many good rows."""
    good = rounds("chat", edge=30.0, again=30.0, direct=20.0)
    failed = msgspec.structs.replace(long(1.0, 1.0)[1], time_ms=None, error="it broke", text="")
    rows = [*good, long(360.0, 190.0)[0], failed]
    (reason, told) = void_reasons(rows, 0.0, 1, ["chat", "long"])

    assert reason == "long_file_speedup was not measured"
    assert "it broke" in told
    assert void_reasons(good, 0.0, 1, ["chat"]) == []
    assert void_reasons(good, 0.0, 1, ["chat", "idle"]) == ["idle_sockets_200_mb was not measured"]
    assert {name for names in BARS_OF.values() for name in names} == set(LIMITS)


def test_the_first_sound_is_not_the_first_sample() -> None:
    """Silence before the words does not count as an answer."""
    first = FirstSound(24_000)
    first.push(np.zeros(2400, np.int16))
    silent = first.heard_s
    first.push(np.full(2400, 3000, np.int16))

    assert silent is None
    assert first.after_ms(0.0) > 0
    with pytest.raises(EngineError):
        FirstSound(24_000).after_ms(0.0)


def test_what_is_spoken_is_one_clause() -> None:
    """So both sides have the same to say before anything is heard."""
    for sentence in SENTENCES:
        splitter = Splitter(SplitterSettings())
        assert (*splitter.push(sentence), *splitter.finish()) == (sentence,)
    assert len(set(QUESTIONS)) == len(QUESTIONS)


def test_a_talk_is_as_long_as_it_is_to_be() -> None:
    """Whole sentences with pauses, the same for the same seed, with all that is said in it."""
    sentences = project_samples(8.0)

    samples, text = talk(sentences, 1.0, 5)

    assert len(samples) == 60 * 16_000
    assert np.array_equal(samples, talk(sentences, 1.0, 5)[0])
    assert {sentence.text for sentence in sentences} == {
        sentence.text for sentence in sentences if sentence.text in text
    }
    assert 2 < len(text.split()) / (len(samples) / 16_000 / 2) < 10


async def test_both_sides_are_in_the_same_state_before_each_request() -> None:
    """In each round all three are asked for the same thing; the next round mirrors its order."""
    done: list[str] = []

    async def ask(side: str, number: int) -> Answer:
        done.append(f"{side}{number}")
        return Answer(1.0, "words")

    async def before() -> None:
        done.append("before")

    contest = Contest(
        kind="chat",
        things=("a", "b"),
        seconds=(),
        edge=lambda number: ask("edge", number),
        direct=lambda number: ask("direct", number),
        before=before,
    )
    rows = await compare(contest, 4, 1)

    assert set(done[::2]) == {"before"}
    assert [row.what for row in rows] == ["a"] * 6 + ["b"] * 6
    orders = [[row.variant for row in rows if row.round == number] for number in range(4)]
    assert orders[0] == orders[1][::-1]
    assert {tuple(sorted(order)) for order in orders} == {("again", "direct", "edge")}


@pytest.mark.slow
@pytest.mark.model
def test_a_run_writes_figures_that_its_rows_give(tmp_path: Path) -> None:
    """Every part of it against real processes, as small as can be."""
    file = tmp_path / "openai.json"
    small = ["--rounds", "2", "--sockets", "5", "--minutes", "1.2", "--rtf", "0.02"]

    code = openai.main(["--engines", "synthetic", *small, "--json", str(file), "--check"])

    written = msgspec.json.decode(file.read_bytes())
    rows = msgspec.convert(written["turns"], list[Row])
    assert [row.error for row in rows if row.error] == []
    assert {row.kind for row in rows} == {*KINDS, "idle", "long"}
    assert len([row for row in rows if row.kind in KINDS]) == 18
    found = written["figures"]
    assert {**figures(rows, 1), "long_file_rtf": 0.02} == found
    assert found["idle_sockets_5_mb"] < 100
    assert found["long_file_min"] == pytest.approx(1.2)
    texts = {row.text for row in rows if row.kind == "long"}
    assert len(texts) == 1
    assert texts.pop().count("synthetic utterance of ") >= 10
    failed = not all(bar["holds"] for bar in written["bars"])
    assert code == (2 if written["void"] else int(failed))


def test_a_file_is_one_that_readers_take() -> None:
    """44 bytes, and the samples."""
    made = openai_edge.wav(np.arange(100, dtype=np.int16))

    assert made[:4] == b"RIFF"
    assert len(made) == 44 + 200
