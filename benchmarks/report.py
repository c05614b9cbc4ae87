"""What a benchmark leaves behind: one JSON file, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from benchmarks.figures import Bar


class Report(Struct, frozen=True, kw_only=True):
    """A run.

    Fields
        command: How it was started.
        date: When it ended, UTC.
        machine: What it ran on, and how busy that was.
        versions: What was measured.
        seed: Of the order of turns and of the intervals.
        figures: Name and value; the name ends with the unit, or with ``_ci_low`` and ``_ci_high``
            for the 95 % interval of the figure before it.
        bars: The figures that have a limit.
        void: Why the run decides nothing; empty if it does.
        turns: The raw rows.
    """

    command: str
    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    seed: int
    figures: Mapping[str, float]
    bars: Sequence[Bar]
    void: Sequence[str]
    turns: Sequence[Struct]

    @property
    def exit_code(self) -> int:
        """What ``--check`` ends with: 2 for a void run, 1 when a bar does not hold, else 0."""
        if self.void:
            return 2
        return int(not all(bar.holds for bar in self.bars))


def write(report: Report, path: Path) -> None:
    """Write the report; the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f"{path.name}.part")
    waiting.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    waiting.replace(path)


def table(report: Report) -> str:
    """Return the figures as lines for people."""
    bars = {bar.name: bar for bar in report.bars}
    lines = []
    for name, value in report.figures.items():
        if name.endswith(("_ci_low", "_ci_high")):
            continue
        line = f"{name:<34}{_number(value):>10}"
        if f"{name}_ci_low" in report.figures:
            low, high = report.figures[f"{name}_ci_low"], report.figures[f"{name}_ci_high"]
            line += f"  [{_number(low)}, {_number(high)}]"
        bar = bars.get(name) or bars.get(f"{name}_ci_high")
        if bar is not None:
            verdict = "holds" if bar.holds else "DOES NOT HOLD"
            sign = "<=" if bar.better == "lower" else ">="
            line = f"{line:<66}  {sign} {bar.limit:g}: {verdict}"
        lines.append(line)
    lines += [f"void: {reason}" for reason in report.void]
    return "\n".join(lines)


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
