"""Binary messages that come in one piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.frames import whole_binary
from tests.edge.raw import BINARY, CONTINUATION, PING, TEXT, frame


@given(st.binary(max_size=400))
def test_a_whole_message_is_its_payload(payload: bytes) -> None:
    """Whatever is in it, and whatever it is masked with."""
    assert whole_binary(frame(BINARY, payload)) == payload


@pytest.mark.parametrize("size", [125, 126, 127, 640, 65_535])
def test_its_length_may_take_two_bytes(size: int) -> None:
    """Frames of 20 ms are longer than one byte tells."""
    payload = bytes(range(256)) * 256

    assert whole_binary(frame(BINARY, payload[:size])) == payload[:size]


WHOLE = frame(BINARY, b"sound")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        WHOLE[:1],
        WHOLE[:-1],
        WHOLE + b"\x82",
        WHOLE + WHOLE,
        frame(TEXT, b"sound"),
        frame(PING, b"sound"),
        frame(CONTINUATION, b"sound"),
        frame(BINARY, b"sound", first=0),
        frame(BINARY, b"sound", first=0xC0),
        b"\x82\x05sound12345",
        b"\x82\xfe\x00\x05maskABCDE",
        frame(BINARY, bytes(65_536)),
        frame(BINARY, b"", length=640),
    ],
    ids=[
        "nothing", "one byte", "all but one byte", "one byte more", "two", "text", "ping",
        "continuation", "first of several", "RSV1", "no mask", "too long a length", "64 KiB",
        "its head",
    ],
)  # fmt: skip
def test_all_else_is_left_to_the_parser(data: bytes) -> None:
    """What breaks the rules is refused there."""
    assert whole_binary(data) is None
