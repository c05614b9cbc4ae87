"""What may be asked of /tts/stream, over HTTP and over a WebSocket."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from schemas.settings import Language, Name
from schemas.tts import SpeakRequest
from voicebus.audio.codec import HIGHEST_HZ, LOWEST_HZ, Coding, Sound
from voicebus.errors import ProtocolError

MAX_CHARACTERS: Final = 8_000
"""Longest text."""

MAX_BYTES: Final = 64 * 1024
"""Largest request, and largest message of the WebSocket."""

Words = Annotated[str, Meta(max_length=MAX_CHARACTERS)]
Format = Literal["pcm_s16le", "wav", "mulaw", "alaw"]

_CODINGS: Final = {"mulaw": Coding.MU, "alaw": Coding.A}
_G711_HZ: Final = 8_000
_PCM_HZ: Final = 24_000

MIMES: Final = {
    "pcm_s16le": "audio/pcm",
    "wav": "audio/wav",
    "mulaw": "audio/x-mulaw",
    "alaw": "audio/x-alaw",
}
"""The media types of the formats."""


class Manner(Struct, frozen=True, kw_only=True):
    """How a text is spoken.

    Fields
        voice: Name of the voice; empty for the default one.
        language: ISO 639-1 code of the text; empty for the voice's own.
        speed: 1.0 is the voice's own speed, 2.0 twice as fast.
        format: Bare samples, the same in a WAV, or G.711.
        sample_rate: In Hz, any; 0 for 8000 with G.711 and for 24000 otherwise.
    """

    voice: Name = ""
    language: Language = ""
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] = 1.0
    format: Format = "pcm_s16le"
    sample_rate: int = 0

    def __post_init__(self) -> None:
        """Refuse rates that nobody can make or hear."""
        if self.sample_rate and not LOWEST_HZ <= self.sample_rate <= HIGHEST_HZ:
            raise ValueError(f"expected {LOWEST_HZ} to {HIGHEST_HZ} - at `$.sample_rate`")

    @property
    def sound(self) -> Sound:
        """What the audio's bytes are."""
        coding = _CODINGS.get(self.format, Coding.PCM)
        return Sound(coding, self.sample_rate or (_PCM_HZ if coding is Coding.PCM else _G711_HZ))

    def request(self, text: str, turn: int) -> SpeakRequest:
        """Return what a worker is asked."""
        return SpeakRequest(
            turn=turn,
            text=text,
            voice=self.voice,
            language=self.language,
            speed=self.speed,
            rate_hz=self.sound.spoken_hz,
        )


class Asked(Manner, frozen=True, kw_only=True):
    """Body of POST /tts/stream.

    Fields
        text: What to say.
    """

    text: Annotated[Words, Meta(min_length=1, pattern=r"\S")]


class Start(Manner, frozen=True, kw_only=True, tag_field="type", tag="start"):
    """From here on, texts are spoken like this."""


class Text(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """A piece of the text; its words may be cut anywhere."""

    text: Words


class End(Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """That was all of the text."""


class Cancel(Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """Say nothing more of it."""


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Ask for a pong."""


T = TypeVar("T")
Message = Start | Text | End | Cancel | Ping

_body: Final = msgspec.json.Decoder(Asked)
_message: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)


def body(data: bytes) -> Asked:
    """Parse the body of a request.

    Raises:
        ProtocolError: ``invalid_json`` or ``bad_field``.
    """
    return _parsed(_body, data)


def message(text: str) -> Message:
    """Parse a message of the WebSocket.

    Raises:
        ProtocolError: ``message_too_large``, ``invalid_json`` or ``bad_field``.
    """
    data = text.encode()
    if len(data) > MAX_BYTES:
        raise ProtocolError(f"a message may have at most {MAX_BYTES} bytes", "message_too_large")
    return _parsed(_message, data)


def _parsed(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as err:
        raise ProtocolError(str(err).replace("`$.", "`"), "bad_field") from err
    except (msgspec.DecodeError, RecursionError) as err:
        raise ProtocolError("this is not valid JSON", "invalid_json") from err
