"""The client's half of the WebSocket protocol, as far as a load generator needs it: no I/O.

Frames are masked with a key of zeros, which leaves their bytes as they are: what is measured is the
server, and every byte that the generator touches is time that the server does not get.

Source: RFC 6455
"""

from __future__ import annotations

import base64
import os
import struct
from typing import Final
from urllib.parse import urlsplit

_FIN: Final = 0x80
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_PONG: Final = 0xA
_PING: Final = 0x9
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)


def handshake(url: str) -> bytes:
    """Return the request that opens a WebSocket."""
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (
        f"GET {parts.path or '/'} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join((*lines, "", "")).encode()


def head(opcode: int, length: int) -> bytes:
    """Return what goes before a frame's payload."""
    first = _FIN | opcode
    if length < 126:
        return bytes((first, _MASKED | length)) + _NO_MASK
    if length < 65_536:
        return struct.pack(">BBH", first, _MASKED | 126, length) + _NO_MASK
    return struct.pack(">BBQ", first, _MASKED | 127, length) + _NO_MASK


def text(payload: bytes) -> bytes:
    """Return a text frame."""
    return head(_TEXT, len(payload)) + payload


def pong(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return head(_PONG, len(payload)) + payload


def stamped(now_ns: int, samples: int) -> bytes:
    """Return a binary frame of silence whose first four samples are the time at which it left."""
    payload = struct.pack("<q", now_ns) + bytes(2 * samples - 8)
    return head(_BINARY, len(payload)) + payload


def stamp_of(pcm: bytes) -> int:
    """Return the time at which a frame left, by the generator's clock."""
    return int(struct.unpack_from("<q", pcm)[0])


class Incoming:
    """Takes the server's bytes apart; only what has to be answered, or is an end, is of interest.

    Attributes:
        is_open: Whether the server has taken the handshake.
        refusal: The first line of its answer, if it has not.
        closed: Whether it has closed the WebSocket.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self.is_open = False
        self.refusal = ""
        self.closed = False

    def take(self, data: bytes) -> list[bytes]:
        """Take bytes; return the payloads of pings."""
        self._rest += data
        if not self.is_open and not self._opened():
            return []
        pings = []
        while (frame := self._frame()) is not None:
            opcode, payload = frame
            if opcode == _PING:
                pings.append(payload)
            self.closed = self.closed or opcode == 0x8
        return pings

    def _opened(self) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            return False
        first = bytes(self._rest[:end]).split(b"\r\n", 1)[0].decode("latin-1")
        del self._rest[: end + 4]
        self.is_open = " 101 " in f"{first} "
        self.refusal = "" if self.is_open else first
        return self.is_open

    def _frame(self) -> tuple[int, bytes] | None:
        rest = self._rest
        if len(rest) < 2:
            return None
        length, begin = rest[1] & 0x7F, 2
        if length >= 126:
            size = 2 if length == 126 else 8
            begin += size
            if len(rest) < begin:
                return None
            length = int.from_bytes(rest[2:begin], "big")
        if len(rest) < begin + length:
            return None
        opcode, payload = rest[0] & 0x0F, bytes(rest[begin : begin + length])
        del rest[: begin + length]
        return opcode, payload
