"""Tests of the progress display."""

from __future__ import annotations

import io
import time

import pytest

from voicebus.models.progress import BarProgress, LineProgress, progress_for


def test_plain_lines_come_at_most_once_per_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is not flooded by a download."""
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    out = io.StringIO()
    lines = LineProgress(out)
    lines.begin("voice/m.bin", 1_000_000)

    for done in range(0, 1_000_000, 10_000):
        now_s += 0.12
        lines.moved(done)
    lines.end()

    assert out.getvalue().splitlines() == [
        "  voice/m.bin: 41 % of 1.0 MB",
        "  voice/m.bin: 83 % of 1.0 MB",
    ]


def test_a_bar_is_drawn_over_itself_and_leaves_sentences_whole() -> None:
    """A terminal shows one moving line; what is said stays above it."""
    out = io.StringIO()
    bar = BarProgress(out)
    bar.begin("voice/m.bin", 1_000_000)

    bar.moved(1_000_000)
    bar.say("done")
    bar.end()

    drawn = out.getvalue()
    assert "[########################] 100% of 1.0 MB" in drawn
    assert "\r\x1b[2Kdone\n" in drawn


def test_the_display_follows_the_stream() -> None:
    """A pipe gets lines, a terminal gets a bar."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(progress_for(io.StringIO()), LineProgress)
    assert isinstance(progress_for(Terminal()), BarProgress)
