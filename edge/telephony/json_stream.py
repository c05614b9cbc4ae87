"""Twilio Media Streams and those who followed it: JSON around base64. Pure.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages; how the others differ
is in :mod:`edge.telephony.dialects`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from edge.telephony.dialects import ENCODINGS, JsonDialect
from edge.telephony.events import (
    KEYS,
    Begun,
    Frame,
    Happening,
    HungUp,
    Pressed,
    Reached,
    Spoken,
)
from voicebus.audio.codec import HIGHEST_HZ, LOWEST_HZ, Coding, Sound
from voicebus.errors import ProtocolError

_MOST_PARAMETERS: Final = 64
_CONTENT_TYPES: Final = {
    Coding.MU: "audio/x-mulaw",
    Coding.A: "audio/x-alaw",
    Coding.PCM: "audio/x-l16",
}
_Number = int | str | None


class _Media(Struct):
    payload: str = ""
    track: str = ""
    chunk: _Number = None
    timestamp: _Number = None


class _Named(Struct):
    name: str = ""


class _Key(Struct):
    digit: str | int = ""


class _Message(Struct):
    """What any of them may send; what else there is is passed over.

    ``start`` and what is at the top of its message are read once more as they are.
    """

    event: str = ""
    media: _Media | UnsetType = UNSET
    mark: _Named | UnsetType = UNSET
    dtmf: _Key | UnsetType = UNSET
    name: str = ""


_decoder: Final = msgspec.json.Decoder(_Message)


class JsonStream:
    """One connection.

    Args:
        dialect: Who speaks.
    """

    is_steady = False
    has_marks = True

    def __init__(self, dialect: JsonDialect) -> None:
        self.frame_ms = dialect.frame_ms
        self._dialect = dialect
        self._sound: Sound | None = None
        self._stream = ""
        self._head = ""
        self._tail = ""

    def received(self, frame: Frame) -> list[Happening]:
        """Take a frame.

        Raises:
            ProtocolError: ``bad_frame`` or ``unsupported_format``.
        """
        if isinstance(frame, bytes):
            raise ProtocolError("a binary frame is not of this protocol", "bad_frame")
        try:
            said = _decoder.decode(frame)
        except (msgspec.DecodeError, RecursionError) as err:
            raise ProtocolError("a frame is not the JSON of this protocol", "bad_frame") from err
        if said.event == "media":
            return self._spoken(said.media)
        return self._start(frame) if said.event == "start" else self._told(said)

    def _told(self, said: _Message) -> list[Happening]:
        if said.event == self._dialect.reached:
            return [Reached(said.mark.name if said.mark else said.name)]
        match said.event:
            case "dtmf":
                digit = str(said.dtmf.digit).upper() if said.dtmf else ""
                return [Pressed(digit)] if digit in KEYS else []
            case "stop":
                return [HungUp()]
            case "error":
                return [HungUp("failed")]
        return []  # connected, clearedAudio, and what is to come

    def assume(self) -> list[Happening]:
        """Nothing is known before the first text."""
        return []

    def audio(self, data: bytes) -> str:
        """Return a message with audio."""
        return f"{self._head}{b64encode(data).decode()}{self._tail}"

    def mark(self, name: str) -> list[Frame]:
        """Return the message that sets a mark."""
        named = {"mark": {"name": name}} if self._dialect.nests_mark else {"name": name}
        return [self._message(self._dialect.mark, named)]

    def clear(self) -> list[Frame]:
        """Return the message that clears."""
        return [self._message(self._dialect.clear, {})]

    def hang_up(self) -> list[Frame]:
        """Closing the connection is all: the carrier goes on with what it was told to do next."""
        return []

    def _message(self, event: str, fields: dict[str, Any]) -> str:
        named = self._dialect.names_stream
        stream = {named: self._stream} if named else {}
        return msgspec.json.encode({"event": event, **stream, **fields}).decode()

    def _spoken(self, media: _Media | UnsetType) -> list[Happening]:
        if self._sound is None:
            raise ProtocolError("audio comes before `start`", "bad_frame")
        if not media or media.track not in self._dialect.tracks:
            return []
        try:
            data = b64decode(media.payload, validate=True)
        except (binascii.Error, ValueError) as err:
            raise ProtocolError("audio is no base64", "bad_frame") from err
        if not data:
            return []
        return [Spoken(data, self._sound, _whole(media.chunk), _whole(media.timestamp))]

    def _start(self, frame: str) -> list[Happening]:
        if self._sound is not None:
            raise ProtocolError("`start` came twice", "bad_frame")
        said: dict[str, Any] = msgspec.json.decode(frame)
        start = said.get("start")
        if not isinstance(start, dict):
            raise ProtocolError("`start` says nothing", "bad_frame")
        told = self._dialect
        self._stream = next((str(o[n]) for o in (said, start) for n in told.stream if n in o), "")
        self._sound = sound = self._sounds(start.get(told.media_format))
        self._prepare(sound)
        given = _texts(start.get(told.parameters, said.get(told.parameters)))
        begun = Begun(
            sound=sound,
            call=str(start.get(told.call, "")),
            caller=str(start.get("from") or given.get("caller", "")),
            called=str(start.get("to") or given.get("called", "")),
            parameters=given,
        )
        return [begun]

    def _sounds(self, said: object) -> Sound:
        if not isinstance(said, dict):
            return self._dialect.sound
        named = str(said.get("encoding", "")).lower()
        coding = ENCODINGS.get(named) if named else self._dialect.sound.coding
        rate_hz = _whole(said.get(self._dialect.rate, self._dialect.sound.rate_hz))
        if coding not in self._dialect.codings:
            raise ProtocolError(f"audio in {named!r} is not understood", "unsupported_format")
        if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
            raise ProtocolError(f"audio at {rate_hz} Hz is not understood", "unsupported_format")
        return Sound(coding, rate_hz)

    def _prepare(self, sound: Sound) -> None:
        """Make what is the same around all audio: encoding it anew would cost most of the time."""
        fields: dict[str, Any] = {"payload": "\0"}
        if self._dialect.names_sound:
            named = {"contentType": _CONTENT_TYPES[sound.coding], "sampleRate": sound.rate_hz}
            fields = {**named, **fields}
        whole = self._message(self._dialect.play, {"media": fields})
        self._head, _, self._tail = whole.partition("\\u0000")


def _whole(said: object) -> int:
    try:
        return int(said) if isinstance(said, int | str) else -1
    except ValueError:
        return -1


def _texts(given: object) -> dict[str, str]:
    """Return what was passed on: an object, or ``name=value`` joined by semicolons or commas."""
    if isinstance(given, str):
        pairs = (pair.partition("=") for pair in given.replace(",", ";").split(";"))
        named = {name.strip(): value.strip() for name, equals, value in pairs if equals}
        return dict(list(named.items())[:_MOST_PARAMETERS])
    if not isinstance(given, dict):
        return {}
    return {str(name): str(value) for name, value in list(given.items())[:_MOST_PARAMETERS]}
