"""What a server writes, cut into lines of bounded length. Pure."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MOST_BYTES: Final = 1 << 20
"""More than that a server cannot say at once. The library parses a message in one go, in the loop
that serves all calls: a megabyte takes some milliseconds."""

_KEPT_BYTES: Final = 256
"""Of each end of what is longer: in one of them is said what it answers."""

_ID: Final = rb'"id"\s*:\s*(?P<id>\d{1,18})\s*'
_AT_BEGIN: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID + rb",")
_AT_END: Final = re.compile(rb",\s*" + _ID + rb'(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*')


class TooLong(Struct, frozen=True):
    """A line that was too long, and was not kept.

    Fields
        answers: Number of the request that it answers; None where that cannot be told.
    """

    answers: int | None


class Lines:
    """Cuts what comes into lines. It never holds more than one of them."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._line = bytearray()
        self._head = b""
        self._is_long = False

    def push(self, data: bytes) -> list[bytes | TooLong]:
        """Take what came next; return the lines that are whole now, without their ends."""
        found: list[bytes | TooLong] = []
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            self._add(data[begin:end])
            found.append(self._taken())
            begin = end + 1
        self._add(data[begin:])
        return found

    def _add(self, piece: bytes) -> None:
        self._line += piece
        if not self._is_long and len(self._line) > self._most_bytes:
            self._is_long, self._head = True, bytes(self._line[:_KEPT_BYTES])
        if self._is_long:
            del self._line[:-_KEPT_BYTES]

    def _taken(self) -> bytes | TooLong:
        line, head, is_long = bytes(self._line), self._head, self._is_long
        self._line, self._head, self._is_long = bytearray(), b"", False
        return _too_long(head, line) if is_long else line


def _too_long(head: bytes, tail: bytes) -> TooLong:
    found = _AT_BEGIN.match(head)
    if found is None:
        found = next((m for m in _AT_END.finditer(tail) if m.end() == len(tail)), None)
    return TooLong(None if found is None else int(found["id"]))
