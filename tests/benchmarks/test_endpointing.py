"""Whom the waits for the end of a turn cut off, counted by hand and on real speech."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks import endpointing
from benchmarks.endpointing_figures import Pause, cut_off, figures, policies, void_reasons
from benchmarks.sound import spoken
from services.stt.hold import POLICIES, SURE
from voicebus.audio.wav import read_wav, write_wav
from voicebus.caller import RATE_HZ
from voicebus.parts import project_root

SAMPLES = project_root() / "examples" / "samples"
WHOLE = Pause(
    recording="a",
    language="en",
    complete=True,
    snr_db=None,
    lag_ms=0.0,
    sound=0.98,
    text="Yes, I am sure.",
    confidence=0.98,
)
OPEN = replace(WHOLE, complete=False, lag_ms=100.0, sound=0.02, text="and then", confidence=0.5)


def test_a_pause_that_is_longer_than_the_hold_cuts_off() -> None:
    """Counted from when voice detection sees it, in whole windows of 32 ms."""
    late = replace(OPEN, lag_ms=200.0)

    assert cut_off([OPEN], lambda _: 600, (700, 707, 708, 709)) == 0.5
    assert cut_off([OPEN, late], lambda _: 600, (750,)) == 0.5
    assert cut_off([OPEN, late], lambda _: 600, (650, 850)) == 0.5


def test_the_policies_are_those_of_the_recogniser() -> None:
    """A complete turn gets the shortest hold of each, an open one the longest."""
    holds = policies()

    for name, limits in POLICIES.items():
        assert (holds[name](WHOLE), holds[name](OPEN)) == (limits.min_ms, limits.max_ms)
    assert holds["silence_600"](WHOLE) == holds["silence_600"](OPEN) == 600


def test_where_no_word_is_heard_nobody_is_cut_off() -> None:
    """Such a pause is over after the shortest hold, as in the recogniser."""
    assert replace(OPEN, text="").completion == 1.0
    assert OPEN.completion < SURE <= WHOLE.completion


def test_figures_are_told_apart_by_language() -> None:
    """One list must not hide what happens in another."""
    russian = replace(WHOLE, language="ru", complete=False, text="Нажмите один.")
    found = figures([WHOLE, OPEN, russian])

    assert (found["ends"], found["gaps"]) == (1, 2)
    assert found["balanced_cut_off_en_ratio"] == 0
    assert found["balanced_cut_off_ru_ratio"] > 0.3
    assert found["balanced_hold_p50_ms"] == POLICIES["balanced"].min_ms
    assert (found["ends_sure_ratio"], found["gaps_sure_ratio"]) == (1.0, 0.5)


def test_a_run_without_gaps_decides_nothing() -> None:
    """Nor does one without ends."""
    assert void_reasons([WHOLE])
    assert void_reasons([OPEN])
    assert void_reasons([WHOLE, OPEN]) == ()


@pytest.mark.model
def test_pauses_of_real_speech_are_judged(tmp_path: Path) -> None:
    """The whole run, with the real models: two sentences said as one, with a gap between them."""
    said = [read_wav(SAMPLES / f"austen-{name}.wav")[1] for name in ("amiable", "disposition")]
    both = np.concatenate([spoken(said[0]), np.full(3_200, 3, np.int16), spoken(said[1])])
    manifest, file = tmp_path / "own-en.tsv", tmp_path / "endpointing.json"
    write_wav(tmp_path / "both.wav", both, RATE_HZ)
    manifest.write_text("file\ttext\nboth.wav\tBoth sentences as one.\n", encoding="utf-8")

    code = endpointing.main(
        ["--manifest", str(manifest), "--root", str(tmp_path), "--json", str(file)]
    )

    assert code == 0
    told = json.loads(file.read_text(encoding="utf-8"))
    assert told["figures"]["ends"] == 2, "in noise as well"
    assert told["figures"]["gaps"] >= 1
    gaps = [turn for turn in told["turns"] if not turn["complete"]]
    ends = [turn for turn in told["turns"] if turn["complete"]]
    assert any("amiable" in turn["text"] and "young" not in turn["text"] for turn in gaps)
    assert all("young man" in turn["text"] for turn in ends)
    assert all(abs(turn["lag_ms"]) < 300 for turn in ends)
