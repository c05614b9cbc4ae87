"""More results that are kept, computed anew from their rows: fleets, programs, providers, costs.

One that has not been measured yet is skipped, and no other.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from benchmarks import (
    autoscale,
    autoscale_figures,
    capacity,
    capacity_figures,
    engines_figures,
    faq,
    faq_figures,
    observing_figures,
    openai,
    openai_figures,
    provider_figures,
)
from benchmarks.figures import Bar
from benchmarks.provider_fakes import BEGINNING, REST
from benchmarks.queueing import Stage
from tests.benchmarks.test_results import RESULTS, bars_of, result


def measured(name: str) -> dict[str, Any]:
    """A result that may be missing as yet."""
    if not (RESULTS / f"{name}.json").exists():
        pytest.skip(f"{name} has not been measured yet")
    return result(name)


def arguments_of(kept: Mapping[str, Any]) -> list[str]:
    """What the benchmark was asked for."""
    return shlex.split(kept["command"])[3:]


def expect(kept: Mapping[str, Any], found: Mapping[str, float], bars: Sequence[Bar]) -> None:
    """All figures are those of the rows, its bars are those of today, and all of them hold."""
    assert kept["figures"] == pytest.approx(dict(found))
    expect_bars(kept, bars)


def expect_bars(kept: Mapping[str, Any], bars: Sequence[Bar]) -> None:
    """Its bars are those of today, and all of them hold."""
    there = bars_of(dict(kept))
    assert {(bar.name, bar.limit, bar.better) for bar in there.values()} == {
        (bar.name, bar.limit, bar.better) for bar in bars
    }
    assert there
    assert [bar.name for bar in there.values() if not bar.holds] == []


def test_the_figures_of_autoscale_are_those_of_its_steps_and_looks() -> None:
    """It is not void by the rules of today."""
    kept = result("autoscale")
    rows = msgspec.convert(
        kept["turns"], tuple[autoscale_figures.Step | autoscale_figures.Look, ...]
    )
    steps = [row for row in rows if isinstance(row, autoscale_figures.Step)]
    looks = [row for row in rows if isinstance(row, autoscale_figures.Look)]
    noise_s = 60 * autoscale._arguments(arguments_of(kept)).minutes

    found = autoscale_figures.figures(steps, looks)

    expect(kept, found, autoscale_figures.bars(found))
    assert (
        autoscale_figures.void_reasons(steps, looks, noise_s, kept["machine"]["stolen_ratio"]) == []
    )


def test_the_figures_of_the_api_are_those_of_its_requests() -> None:
    """All but the factor that it was told for the long file."""
    kept = result("openai")
    rows = msgspec.convert(kept["turns"], tuple[openai_figures.Row, ...])
    told = {"long_file_rtf": openai._arguments(arguments_of(kept)).rtf}

    found = {**openai_figures.figures(rows, kept["seed"]), **told}

    expect(kept, found, openai_figures.bars(found))
    wanted = tuple(openai_figures.BARS_OF)
    assert (
        openai_figures.void_reasons(rows, kept["machine"]["stolen_ratio"], kept["seed"], wanted)
        == []
    )


def test_the_figures_of_providers_are_those_of_its_turns() -> None:
    """Each turn was heard whole."""
    kept = result("providers")
    rows = msgspec.convert(kept["turns"], tuple[provider_figures.ProviderRow, ...])

    found = provider_figures.figures(rows)

    expect(kept, found, provider_figures.bars(found))
    assert provider_figures.void_reasons(rows, BEGINNING + REST) == []


def test_the_figures_of_capacity_are_those_of_its_sizes() -> None:
    """What is predicted of many is computed from one; what a bus stores is no row's."""
    kept = measured("capacity")
    sizes = [row for row in kept["turns"] if {"engines", "sessions"} <= row.keys()]
    rows = msgspec.convert(sizes, tuple[capacity_figures.SizeRow, ...])
    synthetic = [row for row in rows if row.engines == "synthetic"]
    real = [row for row in rows if row.engines == "real"]
    turn_s = sum(real[0].cpu_s.values()) / real[0].turns_per_s / kept["machine"]["cores"]

    found = {
        **capacity_figures.model_figures(
            synthetic, "synthetic", Stage(capacity.SLOTS, synthetic[0].llm_s)
        ),
        **capacity_figures.model_figures(rows, "real", Stage(1, turn_s, 0.5)),
        **capacity_figures.cpu_figures(real[-1]),
        **capacity_figures.cell_figures(real[-1]),
    }

    assert {name: kept["figures"].get(name) for name in found} == pytest.approx(found)
    expect_bars(kept, capacity_figures.bars(kept["figures"]))
    assert capacity_figures.void_reasons(rows) == []


def test_the_figures_of_observing_are_those_of_its_rounds() -> None:
    """The whole interval lies below each bar."""
    kept = measured("observing")
    rows = msgspec.convert(kept["turns"], tuple[observing_figures.Row, ...])

    found = observing_figures.figures(rows, kept["seed"])

    expect(kept, found, observing_figures.bars(found))
    assert observing_figures.void_reasons(rows, found, kept["machine"]["stolen_ratio"]) == []


def test_the_figures_of_the_faq_are_those_of_its_answers_and_phrases() -> None:
    """Of enough of each kind."""
    kept = measured("faq")
    rows = msgspec.convert(
        [row for row in kept["turns"] if "how" in row], tuple[faq_figures.Row, ...]
    )
    phrases = msgspec.convert(
        [row for row in kept["turns"] if "how" not in row], tuple[faq_figures.PhraseRow, ...]
    )

    found = faq_figures.figures(rows, phrases)

    expect(kept, found, faq_figures.bars(found))
    questions = faq._arguments(arguments_of(kept)).questions
    assert faq_figures.void_reasons(rows, phrases, questions, kept["machine"]["stolen_ratio"]) == []


def test_the_figures_of_engines_are_those_of_its_partials_words_and_pieces() -> None:
    """What XTTS adds too, where it was there."""
    kept = measured("engines")
    rows = msgspec.convert(
        [row for row in kept["turns"] if "type" in row],
        tuple[engines_figures.PartialRow | engines_figures.WordRow, ...],
    )
    pieces = msgspec.convert(
        [row for row in kept["turns"] if "type" not in row], tuple[engines_figures.Piece, ...]
    )

    found = engines_figures.figures(rows, kept["seed"])
    if pieces:
        found |= engines_figures.stream_figures(pieces, kept["seed"])

    expect(kept, found, engines_figures.bars(found))
    assert engines_figures.void_reasons(rows, kept["machine"]["stolen_ratio"]) == []
