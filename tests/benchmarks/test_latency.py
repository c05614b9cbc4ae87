from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from benchmarks import latency, report
from benchmarks.figures import bars, synthetic_figures, void_reasons
from benchmarks.report import Report, table
from benchmarks.turns import Row
from tests.benchmarks.rows import run
from voicebus.parts import project_root


@pytest.mark.slow
@pytest.mark.model
def test_a_run_writes_figures_that_its_rows_give(tmp_path: Path) -> None:
    """Two rounds against real processes: a file from which the figures can be computed anew."""
    file = tmp_path / "latency.json"
    shutil.copy(project_root() / "examples" / "samples" / "austen-amiable.wav", tmp_path)
    own = ["--recordings", str(tmp_path), "--json", str(file)]

    code = latency.main(["--engines", "synthetic", "--turns", "2", *own, "--check"])

    written = msgspec.json.decode(file.read_bytes())
    rows = msgspec.convert(written["turns"], list[Row])
    assert len(rows) == 8
    assert {row.variant for row in rows} == {"system", "again", "floor", "unrecorded"}
    assert [row.error for row in rows] == [""] * 8
    assert written["figures"] == synthetic_figures(rows, written["seed"])
    assert written["command"].startswith("voicebus bench latency --engines synthetic --turns 2")
    assert {bar["name"] for bar in written["bars"]} == {
        "bus_tax_synthetic_p50_ms",
        "recording_tax_p50_ms",
    }
    # Whether the machine was quiet enough is not this test's matter; what follows from it is.
    failed = not all(bar["holds"] for bar in written["bars"])
    assert code == (2 if written["void"] else int(failed))


def test_a_run_that_cannot_start_writes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file says something about a run that was none."""
    file = tmp_path / "latency.json"

    code = latency.main(["--recordings", str(tmp_path), "--json", str(file)])

    assert code == 2
    assert "no WAV file" in capsys.readouterr().err
    assert not file.exists()


def made(seed: int = 1, **response_ms: float) -> Report:
    """A report on rounds in which each variant always takes its time."""
    rows = run(20, **response_ms)
    figures = synthetic_figures(rows, seed)
    return Report(
        command="voicebus bench latency",
        date="2026-11-21T10:00:00Z",
        machine={"cores": 2},
        versions={},
        seed=seed,
        figures=figures,
        bars=list(bars(figures)),
        void=void_reasons(rows, 0.0, seed),
        turns=rows,
    )


def test_the_exit_code_says_what_the_run_decided() -> None:
    """0: all bars hold; 1: one does not; 2: nothing can be said."""
    assert made(system=730.0, again=730.0, floor=725.0).exit_code == 0
    assert made(system=740.0, again=740.0, floor=725.0).exit_code == 1
    assert made(system=730.0, again=790.0, floor=725.0).exit_code == 2


def test_the_table_shows_figures_intervals_and_verdicts() -> None:
    """A person sees what was measured, how well, and whether it is good enough."""
    shown = table(made(system=740.0, again=740.0, floor=725.0))

    assert "bus_tax_synthetic_p50_ms" in shown
    assert "15.0  [15.0, 15.0]" in shown
    assert "<= 10: DOES NOT HOLD" in shown


def test_a_report_is_written_whole(tmp_path: Path) -> None:
    """The file has everything, and no half-written one stays beside it."""
    file = tmp_path / "results" / "latency.json"
    made_report = made(system=730.0, again=730.0, floor=725.0)

    report.write(made_report, file)

    assert msgspec.json.decode(file.read_bytes()) == msgspec.to_builtins(made_report)
    assert list(file.parent.iterdir()) == [file]
