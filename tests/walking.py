"""Pages of instructions, walked as they stand: their indented lines in a shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from voicebus.parts import project_root

HOWTO: Final = project_root() / "docs" / "howto"
_INDENTED: Final = re.compile(r"(?:^ {4,}\S[^\n]*\n)+", re.MULTILINE)
_FENCED: Final = r"^```{}\n(.*?)^```$"
_MAKE: Final = 'make() { [ "$*" = run ] && exec voicebus up --port "$PORT"; }\n'
"""What the Makefile does once everything is installed, on a port that is free."""


def commands(page: str, containing: str) -> str:
    """Return the indented lines of a page in which something stands."""
    text = re.sub(_FENCED.format(".*?"), "", page, flags=re.MULTILINE | re.DOTALL)
    (found,) = (block for block in _INDENTED.findall(text) if containing in block)
    return dedent(str(found))


def fenced(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    return re.findall(_FENCED.format(language), page, re.MULTILINE | re.DOTALL)


class Walk:
    """A shell that runs.

    Attributes:
        process: The shell, or what it became.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """What was printed."""
        return self._output.read_text(errors="replace")

    def until(self, holds: Callable[[], object], what: str, within_s: float = 90.0) -> None:
        """Wait for something while it runs."""
        until_s = time.monotonic() + within_s
        while not holds():
            is_over = self.process.poll() is not None or time.monotonic() > until_s
            if is_over and not holds():
                pytest.fail(f"never: {what}\n{self.output}")
            time.sleep(0.05)

    def until_printed(self, pattern: str) -> None:
        """Wait for a line."""
        self.until(lambda: re.search(pattern, self.output, re.MULTILINE), pattern)


@contextmanager
def walking(text: str, folder: Path, environ: Mapping[str, str], port: int = 0) -> Iterator[Walk]:
    """Run lines in a folder; what they start is asked to end with the context."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    output = folder / "walked.txt"
    with output.open("wb") as printed:
        process = subprocess.Popen(
            ["bash", "-ec", _MAKE + text],
            cwd=folder,
            env={**environ, "PATH": path, "PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Walk(process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise
