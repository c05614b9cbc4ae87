"""The page about capacity, and a small run of the benchmark behind it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from benchmarks import capacity
from voicebus.parts import project_root

PAGE = project_root() / "docs" / "capacity.md"
RESULTS = project_root() / "benchmarks" / "results"
ROW = re.compile(r"^\| .+ \| ([\d.]+) \| `(\w+\.json)` `(\w+)` \|$", re.MULTILINE)


def test_every_figure_of_the_page_is_in_a_result() -> None:
    """Rounded as it stands there, from a run that was not void."""
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))

    assert len(rows) >= 9
    for shown, file, name in rows:
        result = msgspec.json.decode((RESULTS / file).read_bytes())
        digits = len(shown.partition(".")[2])
        assert f"{result['figures'][name]:.{digits}f}" == shown, name
        assert not result["void"], file


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(400)
def test_a_small_run_measures_and_predicts(tmp_path: Path) -> None:
    """A few callers for a few seconds: each size has a row, and a prediction beside it."""
    found = tmp_path / "capacity.json"
    words = ["--sessions", "2,6", "--real", "", "--for", "12", "--json", str(found)]

    assert capacity.main(words) == 0

    told = json.loads(found.read_text())
    assert [row["sessions"] for row in told["turns"]] == [1, 2, 6]
    assert all(row["turns"] for row in told["turns"])
    assert set(told["figures"]) >= {
        "synthetic_response_p50_ms_1",
        "synthetic_model_p50_ms_6",
        "synthetic_model_error_ratio",
    }
