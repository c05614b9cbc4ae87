from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dialogues import Amounts, Maker, word_gaps
from benchmarks.moves import Dialogue
from benchmarks.prompts import Prompt
from benchmarks.sound import gaps, levels, speech_level
from tests.benchmarks.speech import RATE_HZ, sentence, tone

PROMPTS = [sentence(700, 120, 900 + 100 * n, name=f"s{n}") for n in range(6)]
WORDS = [sentence(200, name="yes"), sentence(300, name="okay")]


def made(amounts: Amounts | None = None, seed: int = 1) -> tuple[Dialogue, ...]:
    """Dialogues of made sentences."""
    return Maker(PROMPTS, WORDS, seed).make(amounts or Amounts())


def of_kind(kind: str) -> list[Dialogue]:
    """Those whose last move tests something."""
    return [dialogue for dialogue in made() if dialogue.moves[-1].kind == kind]


def test_the_same_seed_makes_the_same_dialogues() -> None:
    """A figure can be measured again, to the sample."""
    one, again, other = made(), made(), made(seed=2)

    assert [d.name for d in one] == [d.name for d in again] != [d.name for d in other]
    for a, b in zip(one, again, strict=True):
        assert all(
            np.array_equal(x.samples, y.samples) for x, y in zip(a.moves, b.moves, strict=True)
        )
        assert np.array_equal(a.background, b.background)


def test_amounts_say_how_many_dialogues_there_are() -> None:
    """A part of them holds at least one of each kind."""
    few = Amounts().scaled(0.01)

    assert len(made()) == Amounts().total
    assert len(made(few)) == few.total
    assert {d.moves[-1].kind for d in made(few)} == {d.moves[-1].kind for d in made()}


def test_a_pause_has_a_length_of_its_band_and_lies_between_words() -> None:
    """The stretch that is said to be a pause is quiet, and its neighbours are words."""
    lengths = []
    for dialogue in of_kind("paused"):
        (move,) = dialogue.moves
        (pause,) = move.pauses
        lengths.append(pause.ms)
        assert levels(move.samples[pause.begin : pause.end]).max() < -60
        assert levels(move.samples[pause.begin - 160 : pause.begin]).min() > -30
        assert levels(move.samples[pause.end : pause.end + 160]).min() > -30
        assert {pause.begin - 1, pause.end, move.last} <= set(move.marks)

    bands = [int(ms // 100) for ms in lengths]
    assert [bands.count(band) for band in range(3, 12)] == [9] * 5 + [2] * 4


def test_a_hesitation_is_a_held_vowel_before_a_pause() -> None:
    """The caller hums and then falls silent."""
    for dialogue in of_kind("hesitant"):
        (move,) = dialogue.moves
        (pause,) = move.pauses
        plain = next(p for p in PROMPTS if p.name == move.recordings[0])
        assert 300 <= pause.ms < 800
        assert len(move.samples) > len(plain.samples) + pause.end - pause.begin - 121 * 16
        assert levels(move.samples[pause.begin : pause.end]).max() < -60


def test_a_follow_up_comes_within_half_a_second() -> None:
    """The first sentence has an end of its own."""
    for dialogue in of_kind("follow_up"):
        (move,) = dialogue.moves
        first, last = move.ends
        after = gaps(move.samples[first:], 200)[0]
        assert last == move.last
        assert 290 <= after.ms <= 510


def test_interruptions_come_early_and_ten_in_a_row() -> None:
    """Some come within the first 100 ms of a reply."""
    waits = [[m.wait_ms for m in d.moves if m.cue == "audible"] for d in of_kind("interruption")]

    assert max(len(row) for row in waits) == 10
    assert all(min(row) < 100 for row in waits)


def test_every_fifth_sentence_is_said_in_noise_at_two_levels() -> None:
    """The noise is quieter than the words by what the dialogue says."""
    noisy = [d for d in made() if d.snr_db is not None]

    assert {d.snr_db for d in noisy} == {10.0, 20.0}
    assert len(noisy) == pytest.approx(0.2 * 101, abs=2)
    for dialogue in noisy:
        words = speech_level(dialogue.moves[0].samples)
        noise = 10 * np.log10(np.mean(10 ** (levels(dialogue.background) / 10)))
        assert words - noise == pytest.approx(dialogue.snr_db, abs=1.5)


def test_only_gaps_that_are_known_or_sure_are_taken() -> None:
    """A stop consonant in the middle of a word is as quiet as a gap."""
    samples = sentence(700, 70, 500, 130, 900).samples
    middle_ms = 700 + 70 + 500 + 65

    assert [round(g.ms) for g in word_gaps(Prompt("a", samples, "It is one."))] == [130]
    assert word_gaps(Prompt("a", samples, "There. Here.")) == ()
    assert word_gaps(Prompt("a", samples, "It is one.", ())) == ()
    assert [round(g.ms) for g in word_gaps(Prompt("a", samples, "It is.", (735,)))] == [70]
    assert [round(g.ms) for g in word_gaps(Prompt("a", samples, "It.", (middle_ms,)))] == [130]


def test_a_gap_near_an_end_is_no_place_for_a_pause() -> None:
    """Half a second of words on either side make it a pause within a turn."""
    samples = np.concatenate([tone(300), np.zeros(3200, np.int16), tone(2000)])

    assert word_gaps(Prompt("a", samples, "It is one.")) == ()
    assert len(samples) == 2500 * RATE_HZ // 1000
