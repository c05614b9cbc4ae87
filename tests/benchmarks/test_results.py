"""The results that are kept: what they say follows from the rows that they hold."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import (
    rolling,
    rolling_figures,
    soak_figures,
    telegram,
    telephony_figures,
    widget_figures,
)
from benchmarks.failover_judgement import TurnRow
from benchmarks.figures import Bar
from benchmarks.rolling_figures import Drain
from benchmarks.soak import Disturbance
from benchmarks.soak_callers import Deed
from benchmarks.soak_figures import Stages
from benchmarks.soak_samples import BusSample, ProcessSample
from voicebus.cli.bench import _BENCHMARKS
from voicebus.parts import project_root

RESULTS = project_root() / "benchmarks" / "results"


def result(name: str) -> dict[str, Any]:
    """A result that is kept."""
    return dict(msgspec.json.decode((RESULTS / f"{name}.json").read_bytes()))


def bars_of(kept: dict[str, Any]) -> dict[str, Bar]:
    """Its bars, by their names."""
    return {bar.name: bar for bar in msgspec.convert(kept["bars"], tuple[Bar, ...])}


def rows_of(kept: dict[str, Any], kind: Any) -> Any:
    """Its rows, of one kind."""
    return msgspec.convert(kept["turns"], tuple[kind, ...])


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_result_decides_something_and_its_bars_are_its_figures(path: Path) -> None:
    """It is of a benchmark that there is, is not void, and a bar holds where its figure does."""
    kept = result(path.stem)

    assert kept["command"].split()[:2] == ["voicebus", "bench"]
    assert kept["command"].split()[2] in _BENCHMARKS
    assert kept["void"] == []
    assert kept["turns"]
    for name, bar in bars_of(kept).items():
        within = bar.value <= bar.limit if bar.better == "lower" else bar.value >= bar.limit
        assert bar.value == kept["figures"][name], name
        assert bar.holds is within, name


def test_the_figures_of_telegram_are_those_of_its_messages() -> None:
    """All but the refusals, which the Bot API counts; and all bars hold."""
    kept = result("telegram")
    refused = kept["figures"]["limits_exceeded_count"]
    rows = rows_of(kept, telegram.Row)

    found = telegram.figures(rows, telegram.BURST, refused, kept["seed"])

    assert kept["figures"] == pytest.approx(found)
    assert {name: bar.limit for name, bar in bars_of(kept).items()} == {
        bar.name: bar.limit for bar in telegram.bars(found, telegram.BURST)
    }
    assert all(bar.holds for bar in bars_of(kept).values())


def test_the_figures_of_the_widget_are_those_of_its_captions() -> None:
    """And all bars hold."""
    kept = result("widget")
    visits = rows_of(kept, widget_figures.Visit)

    found = widget_figures.figures(visits, kept["figures"]["widget_scripts_bytes"], kept["seed"])

    assert kept["figures"] == pytest.approx(found)
    assert list(bars_of(kept).values()) == list(widget_figures.bars(kept["figures"]))
    assert all(bar.holds for bar in bars_of(kept).values())


def test_the_figures_of_telephones_are_those_of_its_calls_and_texts() -> None:
    """Of a call a few figures are kept: the 99th percentile of all frames lies among theirs."""
    kept = result("telephony")
    texts = [row for row in kept["turns"] if "over" in row]
    calls = [row for row in kept["turns"] if "calls" in row]
    fewest = min(row["calls"] for row in calls)
    p99s = [row["jitter_ms"][2] for row in calls if row["calls"] == fewest]

    spoken = msgspec.convert(texts, tuple[telephony_figures.SpeechRow, ...])
    found = telephony_figures.speech_figures(spoken)

    assert kept["figures"].items() >= found.items()
    assert min(p99s) <= kept["figures"]["telephony_jitter_p99_ms"] <= max(p99s)
    assert {row["calls"] for row in calls} == {50, 100}
    assert all(len([row for row in calls if row["calls"] == n]) == n for n in (50, 100))
    assert list(bars_of(kept).values()) == list(telephony_figures.bars(kept["figures"]))
    assert all(bar.holds for bar in bars_of(kept).values())


def test_the_figures_of_rolling_are_those_of_its_turns_and_drains() -> None:
    """All but how often callers came back, which they count; it is not void, and all bars hold."""
    kept = result("rolling")
    rows = rows_of(kept, Drain | TurnRow)
    drains = [row for row in rows if isinstance(row, Drain)]
    turns = [row for row in rows if isinstance(row, TurnRow)]
    returns = int(kept["figures"]["returns"])
    callers = rolling._arguments(shlex.split(kept["command"])[3:]).callers

    found = rolling_figures.figures(turns, drains, returns)

    assert kept["figures"] == pytest.approx(found)
    assert list(bars_of(kept).values()) == list(rolling_figures.bars(kept["figures"]))
    assert kept["void"] == rolling_figures.void_reasons(turns, drains, callers, returns)
    assert all(bar.holds for bar in bars_of(kept).values())


def test_the_figures_of_a_soak_are_those_of_its_samples_and_deeds() -> None:
    """Slopes and what was left too, by the rules of today: so also what makes it void."""
    kept = result("soak")
    rows = rows_of(kept, Stages | Disturbance | Deed | ProcessSample | BusSample)
    (stages,) = (row for row in rows if isinstance(row, Stages))
    processes = [row for row in rows if isinstance(row, ProcessSample)]
    bus = [row for row in rows if isinstance(row, BusSample)]
    deeds = [row for row in rows if isinstance(row, Deed)]

    found = soak_figures.figures(processes, bus, deeds, stages)

    assert kept["figures"] == pytest.approx(found)
    assert list(bars_of(kept).values()) == list(soak_figures.bars(kept["figures"]))
    assert kept["void"] == soak_figures.void_reasons(processes, deeds, stages)
