"""Vonage's WebSockets and their like: bare samples, and JSON beside them. Pure.

Source: https://developer.vonage.com/en/voice/voice-api/guides/websockets; how others differ is in
:mod:`edge.telephony.dialects`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from edge.telephony.dialects import BinaryDialect
from edge.telephony.events import KEYS, Begun, Frame, Happening, Pressed, Reached, Spoken
from voicebus.audio.codec import HIGHEST_HZ, LOWEST_HZ, Coding, Sound
from voicebus.errors import ProtocolError

_RATE: Final = re.compile(r"rate=(\d{1,6})")
_MOST_PARAMETERS: Final = 64


class BinaryStream:
    """One connection.

    Args:
        dialect: Who speaks.
    """

    frame_ms = 20
    is_steady = False
    has_marks = True

    def __init__(self, dialect: BinaryDialect) -> None:
        self._dialect = dialect
        self._sound: Sound | None = None

    def received(self, frame: Frame) -> list[Happening]:
        """Take a frame.

        Raises:
            ProtocolError: ``bad_frame`` or ``unsupported_format``.
        """
        if isinstance(frame, bytes):
            if self._sound is None:
                raise ProtocolError("audio comes before the first text", "bad_frame")
            return [Spoken(frame, self._sound)] if frame else []
        try:
            said = msgspec.json.decode(frame)
        except (msgspec.DecodeError, RecursionError) as err:
            raise ProtocolError("a text frame is no JSON", "bad_frame") from err
        if not isinstance(said, dict):
            raise ProtocolError("a text frame is no JSON object", "bad_frame")
        if self._sound is None:
            return self._start(said)
        event = said.get("event", said.get("type", ""))
        if event == self._dialect.key_event:
            digit = str(said.get(self._dialect.key, "")).upper()
            return [Pressed(digit)] if digit in KEYS else []
        if event == self._dialect.reached:
            return [Reached(_found(said, self._dialect.mark_path))]
        return []

    def assume(self) -> list[Happening]:
        """Nothing is known before the first text."""
        return []

    def audio(self, data: bytes) -> bytes:
        """Return audio as it is."""
        return data

    def mark(self, name: str) -> list[Frame]:
        """Return what sets a mark."""
        return [self._dialect.mark.replace("{}", f'"{name}"')]

    def clear(self) -> list[Frame]:
        """Return what clears."""
        return [self._dialect.clear]

    def hang_up(self) -> list[Frame]:
        """Return what hangs up."""
        return [self._dialect.hang_up] if self._dialect.hang_up else []

    def _start(self, said: dict[str, Any]) -> list[Happening]:
        told = self._dialect
        rate_hz = _rate(said.get(told.rate))
        if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
            raise ProtocolError("the first text does not say the sample rate", "unsupported_format")
        self._sound = Sound(Coding.PCM, rate_hz)
        given = [(name, str(value)) for name, value in said.items() if not isinstance(value, dict)]
        begun = Begun(
            sound=self._sound,
            call=str(said.get(told.call, "")),
            caller=str(said.get(told.caller, "")),
            called=str(said.get(told.called, "")),
            parameters=dict(given[:_MOST_PARAMETERS]),
        )
        return [begun]


def _rate(said: object) -> int:
    if isinstance(said, int):
        return said
    found = _RATE.search(said) if isinstance(said, str) else None
    return int(found[1]) if found else 0


def _found(said: object, path: tuple[str, ...]) -> str:
    for name in path:
        said = said.get(name) if isinstance(said, dict) else None
    return said if isinstance(said, str) else ""
