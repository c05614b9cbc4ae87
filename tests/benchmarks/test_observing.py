"""What observing costs: from rows to figures, and a short run of the whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks import observing
from benchmarks.observing_figures import VARIANTS, Row, bars, figures, void_reasons
from voicebus import settings
from voicebus.settings import ProcessSettings

MS = {"bare": 20.0, "measured": 20.2, "again": 20.2, "traced": 20.8, "floor": 10.0}


def rounds(count: int, **cpu_ms: float) -> list[Row]:
    """Rounds in which each variant always takes as much."""
    return [
        Row(
            round=number,
            variant=variant,
            callers=8,
            seconds=10.0,
            turns=30,
            cpu_s=taken * 8 * 10 / 1000,
        )
        for number in range(count)
        for variant, taken in {**MS, **cpu_ms}.items()
    ]


def uneven(count: int, variant: str, spread: float) -> list[Row]:
    """Rounds in each of which one variant takes a little more, or less, than in the one before."""
    rows = rounds(count)
    return [
        msgspec.structs.replace(row, cpu_s=row.cpu_s * (1 + spread / 100 * (-1) ** row.round))
        if row.variant == variant
        else row
        for row in rows
    ]


def test_a_bar_holds_only_where_all_that_may_be_true_is_below_it() -> None:
    """A cost of 1 % of the tax that could as well be 6 % is not below 2 %."""
    rows = uneven(20, "bare", 2.0)
    found = figures(rows, seed=1)

    (bar, _) = bars(found)
    assert round(found["observing_cpu_ratio"], 6) <= bar.limit
    assert (bar.name, bar.holds) == ("observing_cpu_ratio_ci_high", False)
    assert void_reasons(rows, found, stolen=0.0) == []


def test_another_system_is_held_against_the_first() -> None:
    """What two systems of one kind differ by is no cost of what is set in one of them."""
    own = observing.own_settings("http://127.0.0.1:1/v1/traces")

    assert {*own, "floor"} == set(VARIANTS)
    assert own["again"] == own["measured"]


def test_costs_are_parts_of_the_bus_tax() -> None:
    """Of what the bare system takes more than the floor."""
    found = figures(rounds(6), seed=1)

    assert found["bus_tax_cpu_per_session_s_ms"] == pytest.approx(10)
    assert found["observing_cpu_ratio"] == pytest.approx(0.02)
    assert found["tracing_cpu_ratio"] == pytest.approx(0.06)
    assert [(bar.name, bar.holds) for bar in bars(found)][1] == ("tracing_cpu_ratio_ci_high", False)
    assert void_reasons(rounds(6), found, stolen=0.0) == []


@pytest.mark.parametrize(
    ("rows", "stolen", "reason"),
    [
        (rounds(4), 0.0, "fewer than 5 rounds"),
        (rounds(6, again=21.0), 0.0, "of one kind differ"),
        (uneven(6, "again", 3.0), 0.0, "of one kind differ"),
        (rounds(6), 0.5, "not ours"),
        (rounds(6, floor=30.0), 0.0, "nothing to compare with"),
        (
            [msgspec.structs.replace(row, errors=("no answer",)) for row in rounds(6)],
            0.0,
            "no answer",
        ),
    ],
)
def test_a_run_that_decides_nothing_says_why(rows: list[Row], stolen: float, reason: str) -> None:
    """Nothing is said to hold that nobody could have seen not to."""
    reasons = void_reasons(rows, figures(rows, seed=1), stolen)

    assert any(reason in told for told in reasons)


@pytest.mark.parametrize("given", [observing.SILENT, observing.LOUD])
def test_what_the_variants_are_set_to_is_there_to_be_set(given: dict[str, str]) -> None:
    """None of them would start."""
    assert settings.read(ProcessSettings, given).log_level in given.values()


def test_the_bare_system_measures_nothing() -> None:
    """And stands on its legs all the same: what is thrown away has labels and exemplars, too."""
    code = (
        "from benchmarks.load.bare import measure_nothing; measure_nothing()\n"
        "from prometheus_client import generate_latest; from voicebus import metrics as m\n"
        "m.TURNS.labels('completed').inc(); m.TASKS.set(7); m.SLOTS.labels('stt').set(3)\n"
        "m.LLM_TTFT_SECONDS.labels('a', 'b').observe(0.1, {'trace_id': 'x'})\n"
        "print(generate_latest().decode())"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    ours = [line for line in done.stdout.splitlines() if line.startswith("voicebus_")]
    assert ours
    assert [line for line in ours if not line.endswith(" 0.0") and "_created" not in line] == []


@pytest.mark.slow
@pytest.mark.model
def test_a_short_run_measures_all_variants(tmp_path: Path) -> None:
    """One round against real processes, one of them with traces."""
    file = tmp_path / "observing.json"

    code = observing.main(
        [
            "--rounds",
            "1",
            "--starts",
            "1",
            "--seconds",
            "1",
            "--callers",
            "1",
            "--json",
            str(file),
            "--check",
        ]
    )

    written = msgspec.json.decode(file.read_bytes())
    rows = msgspec.convert(written["turns"], list[Row])
    assert {row.variant for row in rows} == set(VARIANTS)
    assert [row.errors for row in rows] == [()] * len(VARIANTS)
    assert all(row.turns and row.cpu_s > 0 for row in rows)
    assert "fewer than 5 rounds" in written["void"]
    assert code == 2
