"""Those who send updates to a bridge, or something else."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Final

import httpx2
import pytest

from bridges.telegram.webhook import SECRET_HEADER
from tests.plain import PLAIN

HOOKED: Final = 22_002
"""The bot whose updates are sent."""


def post(url: str, secret: str, body: bytes) -> int:
    """Send a body as Telegram would; return the status."""
    return httpx2.post(url, content=body, headers={SECRET_HEADER: secret}, **PLAIN).status_code


def drip(address: str, head: str) -> bytes:
    """Send a head, and then a letter now and then; return all that is answered."""
    host, _, port = address.partition(":")
    answer, until_s = b"", time.monotonic() + 60
    with socket.create_connection((host, int(port)), timeout=0.2) as line:
        line.sendall(head.encode())
        while time.monotonic() < until_s:
            try:
                with suppress(TimeoutError):
                    if not (part := line.recv(4096)):
                        return answer
                    answer += part
                    continue
                line.sendall(b"x")
            except ConnectionError:
                return answer
    pytest.fail(f"not closed: {answer!r}")


def sent(address: str, data: bytes) -> bytes:
    """Send bytes as they are; return all that is answered until the connection is ended."""
    host, _, port = address.partition(":")
    answer = b""
    line = socket.create_connection((host, int(port)), timeout=20)
    with line, suppress(ConnectionError):
        line.sendall(data)
        while part := line.recv(4096):
            answer += part
    return answer
