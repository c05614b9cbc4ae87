"""A command in a pseudo-terminal: what it prints there, and what somebody then sees."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from typing import Final, Self

_PIECE: Final = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|(.)", re.DOTALL)


class Terminal:
    """A command that runs in a terminal of its own, used as a context manager.

    Args:
        argv: The command.
        environ: Its environment.
        lines: Of the terminal.
        columns: Of the terminal.
    """

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], lines: int, columns: int
    ) -> None:
        self._size = lines, columns
        # Where these are set they count for more than the terminal.
        self._environ = {k: v for k, v in environ.items() if k not in {"COLUMNS", "LINES"}}
        self._argv = argv
        self._told = bytearray()

    def __enter__(self) -> Self:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *self._size, 0, 0))

        # Whoever runs the tests in the background has Ctrl-C ignored, and the command would, too.
        ours = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self._process = subprocess.Popen(
                self._argv,
                env=self._environ,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
        finally:
            signal.signal(signal.SIGINT, ours)
        os.close(theirs)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join(10)
        os.close(self._ours)

    @property
    def told(self) -> str:
        """All that was printed."""
        return self._told.decode(errors="replace")

    def screen(self) -> list[str]:
        """What stands there now, without the empty lines below."""
        return screen_of(self.told, *self._size)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self, within_s: float) -> int:
        """Wait for the end; return the exit code once all of the output is read."""
        code = self._process.wait(within_s)
        self._reading.join(10)
        return code

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65_536):
                self._told += data


def screen_of(told: str, lines: int, columns: int) -> list[str]:
    """What a terminal shows that was told this: the few orders that our commands give it.

    Raises:
        AssertionError: There is an order that no command of ours should give.
    """
    rows, line, column = [""], 0, 0
    for found in _PIECE.finditer(told):
        numbers, order, character = found.groups()
        match order, character:
            case "H", _ if not numbers:
                line, column = 0, 0
            case "J", _ if not numbers:
                rows[line:] = [rows[line][:column]]
            case "K", _ if not numbers:
                rows[line] = rows[line][:column]
            case None, "\r":
                column = 0
            case None, "\n":
                line += 1
            case None, _:
                if column == columns:
                    line, column = line + 1, 0
                    rows += [""] * (line + 1 - len(rows))
                rows[line] = _written(rows[line], column, character)
                column += 1
            case _:
                raise AssertionError(repr(found[0]))
        rows += [""] * (line + 1 - len(rows))
        if line == lines:
            rows, line = rows[1:], line - 1
    return "\n".join(rows).rstrip("\n").split("\n")


def _written(row: str, column: int, character: str) -> str:
    row = row.ljust(column)
    return row[:column] + character + row[column + 1 :]
