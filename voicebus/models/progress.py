"""How a pull shows where it is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import Protocol, TextIO

from voicebus.models.disk import in_words

LINE_PERIOD_S = 5.0
BAR_PERIOD_S = 0.1
_BAR_CELLS = 24


class Progress(Protocol):
    """Told by a pull what happens. Called from the thread that pulls."""

    def say(self, text: str) -> None:
        """Show one sentence."""

    def begin(self, label: str, total_bytes: int) -> None:
        """A download of ``total_bytes`` starts."""

    def moved(self, done_bytes: int) -> None:
        """So many bytes of the running download are there."""

    def end(self) -> None:
        """The running download is over, well or badly."""


class SilentProgress:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Drop it."""

    def begin(self, label: str, total_bytes: int) -> None:
        """Drop it."""

    def moved(self, done_bytes: int) -> None:
        """Drop it."""

    def end(self) -> None:
        """Nothing is open."""


class LineProgress:
    """Plain lines, for logs and pipes: while bytes move at most one per ``LINE_PERIOD_S``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._label = ""
        self._total_bytes = 0
        self._shown_at_s = 0.0

    def say(self, text: str) -> None:
        """Write one line."""
        print(text, file=self._stream, flush=True)

    def begin(self, label: str, total_bytes: int) -> None:
        """Remember what is downloaded; the first line comes after a period."""
        self._label = label
        self._total_bytes = total_bytes
        self._shown_at_s = time.monotonic()

    def moved(self, done_bytes: int) -> None:
        """Write a line if the last one is long enough ago."""
        now_s = time.monotonic()
        if now_s - self._shown_at_s >= LINE_PERIOD_S:
            self._shown_at_s = now_s
            percent = 100 * done_bytes // self._total_bytes
            self.say(f"  {self._label}: {percent} % of {in_words(self._total_bytes)}")

    def end(self) -> None:
        """Nothing is open."""


class BarProgress:
    """One line that is drawn again and again, for a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._label = ""
        self._total_bytes = 0
        self._done_bytes = 0
        self._first_bytes = -1
        self._begun_at_s = 0.0
        self._drawn_at_s = 0.0
        self._open = False

    def say(self, text: str) -> None:
        """Write one line above the bar."""
        self._wipe()
        print(text, file=self._stream, flush=True)

    def begin(self, label: str, total_bytes: int) -> None:
        """Open the bar."""
        self._label = label
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._first_bytes = -1
        self._begun_at_s = time.monotonic()
        self._drawn_at_s = 0.0
        self._open = True

    def moved(self, done_bytes: int) -> None:
        """Draw the bar if the last drawing is long enough ago."""
        if self._first_bytes < 0 or done_bytes < self._first_bytes:
            self._first_bytes = done_bytes
        self._done_bytes = done_bytes
        now_s = time.monotonic()
        if now_s - self._drawn_at_s >= BAR_PERIOD_S or done_bytes == self._total_bytes:
            self._drawn_at_s = now_s
            self._draw(now_s)

    def end(self) -> None:
        """Close the bar."""
        self._wipe()
        self._open = False

    def _draw(self, now_s: float) -> None:
        share = min(self._done_bytes / self._total_bytes, 1.0)
        full = round(share * _BAR_CELLS)
        bar = "#" * full + "-" * (_BAR_CELLS - full)
        rate = (self._done_bytes - self._first_bytes) / max(now_s - self._begun_at_s, 0.001)
        size = in_words(self._total_bytes)
        text = f"[{bar}] {share:4.0%} of {size}, {rate / 1e6:.1f} MB/s  {self._label}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[2K{text[:width]}")
        self._stream.flush()

    def _wipe(self) -> None:
        if self._open:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()


def progress_for(stream: TextIO) -> Progress:
    """Return a bar if ``stream`` is a terminal, else plain lines."""
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)
