"""What a report says of how it was made."""

from __future__ import annotations

import pytest

from benchmarks import command


@pytest.mark.parametrize(
    "written",
    [
        ["--json", "/somewhere/of/mine.json"],
        ["--json=/somewhere/of/mine.json"],
        ["--keep", "/somewhere/of/mine"],
    ],
)
def test_a_report_does_not_name_the_file_that_it_is_in(written: list[str]) -> None:
    """It lies somewhere else by then."""
    told = command.line("telegram", ["--burst", "3", *written, "--check"])

    assert told == "voicebus bench telegram --burst 3 --check"
