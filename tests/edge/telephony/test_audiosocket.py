"""AudioSocket, byte by byte."""

from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.telephony.audiosocket import SOUNDS, AudioSocket
from edge.telephony.events import Begun, Happening, HungUp, Pressed, Spoken
from voicebus.errors import ProtocolError

NAME = uuid.UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
AUDIO = bytes(range(256)) + bytes(64)


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A frame as the specification has it."""
    return struct.pack(">BH", kind, len(payload)) + payload


HELLO = frame(0x01, NAME.bytes)


def happened(data: bytes) -> list[Happening]:
    """What a connection's first bytes mean."""
    return AudioSocket().received(data)


@pytest.mark.parametrize(
    ("kind", "rate_hz"),
    [
        *((0x10, 8_000), (0x11, 12_000), (0x12, 16_000), (0x13, 24_000), (0x14, 32_000)),
        *((0x15, 44_100), (0x16, 48_000)),
    ],
)
def test_the_first_audio_says_what_the_call_sounds_like(kind: int, rate_hz: int) -> None:
    """And it is answered in the same kind of frames."""
    wire = AudioSocket()
    begun, spoken = wire.received(HELLO + frame(kind, AUDIO))

    assert isinstance(begun, Begun)
    assert (begun.call, begun.sound.rate_hz) == (str(NAME), rate_hz)
    assert spoken == Spoken(AUDIO, SOUNDS[kind])
    assert wire.audio(AUDIO) == frame(kind, AUDIO)


def test_a_call_that_is_silent_is_one_of_8_khz() -> None:
    """The dialplan's application speaks nothing else; a call without a name is none."""
    wire = AudioSocket()

    assert wire.assume() == []
    assert wire.received(HELLO) == []
    (begun,) = wire.assume()
    assert isinstance(begun, Begun)
    assert begun.sound.rate_hz == 8_000
    assert wire.assume() == []


def test_keys_errors_and_the_end() -> None:
    """What is no key of a telephone is passed over; behind the end nothing counts."""
    keys = b"".join(frame(0x03, digit) for digit in (b"1", b"#", b"d", b"!"))

    assert happened(HELLO + keys) == [Pressed("1"), Pressed("#"), Pressed("D")]
    assert happened(HELLO + frame(0x00) + frame(0x03, b"1")) == [HungUp()]
    assert happened(HELLO + frame(0xFF, b"\x02")) == [HungUp("failed")]
    assert happened(frame(0x00)) == [HungUp()]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        frame(0x10, AUDIO),
        frame(0x01, b"short"),
        HELLO + HELLO,
        HELLO + frame(0x42),
        HELLO + frame(0x03, b"12"),
        HELLO + frame(0x00, b"x"),
        HELLO + b"\x10\x00\x03",  # half a sample, refused before it is there
        HELLO + b"\x99\xff\xff",
    ],
)
def test_what_is_not_audiosocket_is_refused_at_its_first_bytes(data: bytes) -> None:
    """Another protocol, or a mistake: nothing more is waited for."""
    with pytest.raises(ProtocolError):
        happened(data)


@given(st.lists(st.integers(1, 400), max_size=12))
def test_where_the_stream_is_cut_does_not_matter(cuts: list[int]) -> None:
    """TCP knows no frames."""
    data = HELLO + frame(0x10, AUDIO) + frame(0x03, b"9") + frame(0x10, AUDIO) + frame(0x00)
    wire = AudioSocket()
    came: list[Happening] = []
    while data:
        size = cuts.pop() if cuts else len(data)
        came += wire.received(data[:size])
        data = data[size:]

    assert [type(one) for one in came] == [Begun, Spoken, Pressed, Spoken, HungUp]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_anything(data: bytes, named: bool) -> None:
    """They mean something or are refused."""
    reason = ""
    try:
        happened(HELLO + data if named else data)
    except ProtocolError as err:
        reason = err.reason

    assert reason in {"", "bad_frame"}
