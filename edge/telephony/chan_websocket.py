"""Asterisk's chan_websocket: audio in binary frames, control in text ones. Pure.

Control comes as words or, where ``chan_websocket.conf`` says so, as JSON, and is answered alike.
Source: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from edge.telephony.events import (
    KEYS,
    Begun,
    Frame,
    Happening,
    Pressed,
    Reached,
    Spoken,
    Throttled,
    Unthrottled,
)
from voicebus.audio.codec import Coding, Sound
from voicebus.errors import ProtocolError

_FORMATS: Final = {
    "ulaw": Sound(Coding.MU),
    "alaw": Sound(Coding.A),
    "slin": Sound(Coding.PCM, 8_000),
    "slin12": Sound(Coding.PCM, 12_000),
    "slin16": Sound(Coding.PCM, 16_000),
    "slin24": Sound(Coding.PCM, 24_000),
    "slin32": Sound(Coding.PCM, 32_000),
    "slin44": Sound(Coding.PCM, 44_100),
    "slin48": Sound(Coding.PCM, 48_000),
}
"""Asterisk's names of the codecs that can be framed anew."""

_MOST_VARIABLES: Final = 64
_CALLER: Final = "caller"
_CALLED: Final = "called"


class ChanWebSocket:
    """One connection.

    Args:
        query: What the dialplan added to the address: ``v(caller=…)``.
    """

    frame_ms = 20
    is_steady = False
    has_marks = False

    def __init__(self, query: dict[str, str] | None = None) -> None:
        self._query = query or {}
        self._sound: Sound | None = None
        self._speaks_json = False

    def received(self, frame: Frame) -> list[Happening]:
        """Take a frame.

        Raises:
            ProtocolError: ``bad_frame`` or ``unsupported_format``.
        """
        if isinstance(frame, str):
            return self._heard(frame)
        if self._sound is None:
            raise ProtocolError("audio comes before MEDIA_START", "bad_frame")
        return [Spoken(frame, self._sound)] if frame else []

    def assume(self) -> list[Happening]:
        """Nothing is known before the first text."""
        return []

    def audio(self, data: bytes) -> bytes:
        """Return audio as it is."""
        return data

    def mark(self, _: str) -> list[Frame]:
        """Nothing: older versions have no marks, and the paced clock does."""
        return []

    def clear(self) -> list[Frame]:
        """Return the order to forget what was not played."""
        return [self._command("FLUSH_MEDIA")]

    def hang_up(self) -> list[Frame]:
        """Return the order to hang up."""
        return [self._command("HANGUP")]

    def _command(self, name: str) -> str:
        return f'{{"command":"{name}"}}' if self._speaks_json else name

    def _heard(self, text: str) -> list[Happening]:
        name, said = self._parsed(text)
        if self._sound is None and name != "MEDIA_START":
            raise ProtocolError("the first text has to be MEDIA_START", "bad_frame")
        match name:
            case "MEDIA_START":
                return self._start(said)
            case "DTMF_END":
                digit = str(said.get("digit", "")).upper()
                return [Pressed(digit)] if digit in KEYS else []
            case "MEDIA_XOFF":
                return [Throttled()]
            case "MEDIA_XON":
                return [Unthrottled()]
            case "MEDIA_MARK_PROCESSED":
                return [Reached(str(said.get("correlation_id", "")))]
        return []  # STATUS, QUEUE_DRAINED and what is to come

    def _parsed(self, text: str) -> tuple[str, dict[str, Any]]:
        if text.startswith("{"):
            try:
                said = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError) as err:
                raise ProtocolError("a text frame is no JSON", "bad_frame") from err
            self._speaks_json = True
            return str(said.get("event", "")), said
        name, _, rest = text.strip().partition(" ")
        pairs = (word.partition(":") for word in rest.split())
        return name, {key: value for key, colon, value in pairs if colon}

    def _start(self, said: dict[str, Any]) -> list[Happening]:
        if self._sound is not None:
            raise ProtocolError("MEDIA_START came twice", "bad_frame")
        named = str(said.get("format", ""))
        sound = _FORMATS.get(named)
        if sound is None:
            raise ProtocolError(
                f"no codec {named!r}: use c(ulaw), c(alaw) or c(slin16)", "unsupported_format"
            )
        self._sound = sound
        variables = said.get("channel_variables")
        told = {**_texts(variables), **self._query}
        begun = Begun(
            sound=sound,
            call=str(said.get("channel_id") or said.get("connection_id") or ""),
            caller=told.get(_CALLER, ""),
            called=told.get(_CALLED, ""),
            parameters=told,
        )
        return [begun]


def _texts(variables: object) -> dict[str, str]:
    if not isinstance(variables, dict):
        return {}
    return {str(name): str(value) for name, value in list(variables.items())[:_MOST_VARIABLES]}
