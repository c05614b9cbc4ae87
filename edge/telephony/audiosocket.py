"""Asterisk's AudioSocket: frames on a TCP stream. Pure.

A frame is its kind (a byte), its length (two, big-endian) and so many bytes. The first one names
the call. Source: https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/ and
``res_audiosocket`` for the rates beyond 8 kHz.
"""

from __future__ import annotations

import uuid
from types import MappingProxyType
from typing import Final

from edge.telephony.events import KEYS, Begun, Frame, Happening, HungUp, Pressed, Spoken
from voicebus.audio.codec import Coding, Sound
from voicebus.errors import ProtocolError

HANG_UP: Final = 0x00
NAME: Final = 0x01
KEY: Final = 0x03
ERROR: Final = 0xFF
SOUNDS: Final = MappingProxyType(
    {
        kind: Sound(Coding.PCM, rate_hz)
        for kind, rate_hz in (
            *((0x10, 8_000), (0x11, 12_000), (0x12, 16_000), (0x13, 24_000)),
            *((0x14, 32_000), (0x15, 44_100), (0x16, 48_000)),
        )
    }
)
"""Kinds of frames with samples, s16le, and their sound."""

_KINDS: Final = {sound: kind for kind, sound in SOUNDS.items()}
_HEAD_BYTES: Final = 3
_UUID_BYTES: Final = 16
_SIZES: Final = {HANG_UP: 0, NAME: _UUID_BYTES, KEY: 1}
_MOST_BYTES: Final = 0xFFFF
_ASSUMED: Final = SOUNDS[0x10]


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return bytes((kind,)) + len(payload).to_bytes(2, "big") + payload


class AudioSocket:
    """One connection. What is heard at a rate is answered at that rate.

    The first audio says the rate; an exchange that sends none for a while is taken for one of
    8 kHz, which is what the dialplan application speaks: see :meth:`assume`.
    """

    frame_ms = 20
    is_steady = True
    has_marks = False

    def __init__(self) -> None:
        self._pending = bytearray()
        self._call = ""
        self._sound: Sound | None = None
        self._is_over = False

    @property
    def is_named(self) -> bool:
        """Whether the call has a name."""
        return bool(self._call)

    def received(self, frame: Frame) -> list[Happening]:
        """Take bytes, cut anywhere.

        Raises:
            ProtocolError: ``bad_frame``: this is not AudioSocket.
        """
        assert isinstance(frame, bytes)
        self._pending += frame
        happened: list[Happening] = []
        at = 0
        while len(self._pending) >= at + _HEAD_BYTES and not self._is_over:
            kind, size = self._pending[at], int.from_bytes(self._pending[at + 1 : at + 3], "big")
            self._expect(kind, size)
            end = at + _HEAD_BYTES + size
            if len(self._pending) < end:
                break
            happened += self._take(kind, bytes(self._pending[at + _HEAD_BYTES : end]))
            at = end
        del self._pending[:at]
        return happened

    def assume(self) -> list[Happening]:
        """Begin without having heard anything."""
        return self._begun(_ASSUMED) if self.is_named else []

    def audio(self, data: bytes) -> bytes:
        """Return a frame of samples."""
        return frame(_KINDS[self._sound or _ASSUMED], data[:_MOST_BYTES])

    def mark(self, _: str) -> list[Frame]:
        """There is none."""
        return []

    def clear(self) -> list[Frame]:
        """What was sent is out of reach: that is why so little is sent ahead."""
        return []

    def hang_up(self) -> list[Frame]:
        """Return the frame that ends the call."""
        return [frame(HANG_UP)]

    def _expect(self, kind: int, size: int) -> None:
        """Refuse what cannot be, before waiting for the rest of it."""
        if not self.is_named and (kind, size) != (NAME, _UUID_BYTES):
            if kind in (HANG_UP, ERROR):
                return
            raise ProtocolError("the first frame has to name the call", "bad_frame")
        if self.is_named and kind == NAME:
            raise ProtocolError("the call has a name already", "bad_frame")
        if (
            (kind == KEY and size != 1)
            or (kind == HANG_UP and size)
            or (size % 2 and kind in SOUNDS)
        ):
            raise ProtocolError(
                f"a frame of kind {kind:#04x} cannot have {size} bytes", "bad_frame"
            )
        if kind not in SOUNDS and kind not in (HANG_UP, NAME, KEY, ERROR):
            raise ProtocolError(f"there is no frame of kind {kind:#04x}", "bad_frame")

    def _take(self, kind: int, payload: bytes) -> list[Happening]:
        match kind:
            case 0x00:
                self._is_over = True
                return [HungUp()]
            case 0xFF:
                self._is_over = True
                return [HungUp("failed")]
            case 0x01:
                self._call = str(uuid.UUID(bytes=payload))
                return []
            case 0x03:
                digit = payload.decode("latin-1").upper()
                return [Pressed(digit)] if digit in KEYS else []
        sound = SOUNDS[kind]
        return [*self._begun(sound), *([Spoken(payload, sound)] if payload else [])]

    def _begun(self, sound: Sound) -> list[Happening]:
        if self._sound is not None:
            return []
        self._sound = sound
        return [Begun(sound=sound, call=self._call)]
