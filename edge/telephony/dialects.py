"""What carriers say differently: one row for each. Data, and nothing else.

Two families: JSON around base64 (Twilio and those who followed it), and bare samples in binary
frames beside JSON in text frames (Vonage and its like). Sources: the carriers' pages on media
streaming, as they were in November 2026; ``docs/howto/telephony.md`` links them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from msgspec import Struct

from voicebus.audio.codec import Coding, Sound

ENCODINGS: Final = MappingProxyType(
    {
        "audio/x-mulaw": Coding.MU,
        "mulaw": Coding.MU,
        "pcmu": Coding.MU,
        "audio/x-alaw": Coding.A,
        "alaw": Coding.A,
        "pcma": Coding.A,
        "audio/x-l16": Coding.PCM,
        "audio/l16": Coding.PCM,
        "linear16": Coding.PCM,
        "raw/slin": Coding.PCM,
        "base64": Coding.PCM,  # Exotel calls its samples so
    }
)
"""Carriers' names of codings, in small letters. All samples are little-endian."""

_TRACK_OF_CALLER: Final = ("inbound", "")


class JsonDialect(Struct, frozen=True, kw_only=True):
    """A carrier whose frames are JSON, with the audio in base64.

    Fields
        name: The carrier.
        stream: Names of the stream, at the top of a message or within ``start``.
        call: Names of the call within ``start``.
        parameters: Where ``start``, or the message, has what the exchange passes on.
        media_format: Where ``start`` says what the audio is.
        rate: Name of the sample rate in there.
        sound: What it is where nothing is said.
        codings: Those that are taken.
        reached: The event that tells that a mark was reached.
        play: The event that carries audio to the caller.
        names_sound: Whether that event says what its audio is.
        mark: The event that sets a mark.
        nests_mark: Whether the mark's name stands within an object ``mark``.
        clear: The event that clears.
        names_stream: How messages to the carrier name the stream; empty: not at all.
        frame_ms: Length of the pieces in which audio is sent.
        tracks: Tracks that are the caller's; others are what we said ourselves.
    """

    name: str
    stream: tuple[str, ...]
    call: str
    parameters: str
    media_format: str = "mediaFormat"
    rate: str = "sampleRate"
    sound: Sound = Sound(Coding.MU)
    codings: tuple[Coding, ...] = (Coding.MU, Coding.A, Coding.PCM)
    reached: str = "mark"
    play: str = "media"
    names_sound: bool = False
    mark: str = "mark"
    nests_mark: bool = True
    clear: str = "clear"
    names_stream: str = "streamSid"
    frame_ms: int = 20
    tracks: tuple[str, ...] = _TRACK_OF_CALLER


class BinaryDialect(Struct, frozen=True, kw_only=True):
    """A carrier whose audio comes bare, and whose first text frame says what it is.

    Fields
        name: The carrier.
        rate: Where the first text frame has the sample rate; in ``content-type`` if it is that.
        call: Where it has the name of the call.
        caller: Where it has the number of who calls.
        called: Where it has the number that was called.
        key_event: Name of the event of a key that was pressed, under ``event``.
        key: Where that one has the key.
        reached: Name of the event of a mark that was reached, under ``event`` or ``type``.
        mark: What sets a mark: ``{}`` stands for its name, as JSON.
        mark_path: Where the mark's name stands in the event.
        clear: What clears.
        hang_up: What hangs up, before the connection is closed; empty: that alone does.
    """

    name: str
    rate: str
    call: str
    caller: str = ""
    called: str = ""
    key_event: str
    key: str
    reached: str
    mark: str
    mark_path: tuple[str, ...]
    clear: str
    hang_up: str = ""


_TWILIO: Final = JsonDialect(
    name="twilio",
    stream=("streamSid",),
    call="callSid",
    parameters="customParameters",
)

JSON_DIALECTS: Final = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            _TWILIO,
            JsonDialect(  # compatible to Twilio, and to wider samples
                name="signalwire",
                stream=("streamSid",),
                call="callSid",
                parameters="customParameters",
            ),
            JsonDialect(
                name="telnyx",
                stream=("stream_id",),
                call="call_control_id",
                parameters="custom_parameters",
                media_format="media_format",
                rate="sample_rate",
                # Whether its L16 has the byte order of the network is not told.
                codings=(Coding.MU, Coding.A),
                names_stream="stream_id",
            ),
            JsonDialect(
                name="plivo",
                stream=("streamId",),
                call="callId",
                parameters="extra_headers",
                reached="playedStream",
                play="playAudio",
                names_sound=True,
                mark="checkpoint",
                nests_mark=False,
                clear="clearAudio",
                names_stream="streamId",
            ),
            JsonDialect(
                name="exotel",
                stream=("stream_sid", "streamSid"),
                call="call_sid",
                parameters="custom_parameters",
                media_format="media_format",
                rate="sample_rate",
                sound=Sound(Coding.PCM, 8_000),
                names_stream="stream_sid",
                frame_ms=100,  # it asks for no shorter ones
            ),
        )
    }
)

BINARY_DIALECTS: Final = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            BinaryDialect(
                name="vonage",
                rate="content-type",
                call="uuid",
                caller="from",
                called="to",
                key_event="websocket:dtmf",
                key="digit",
                reached="websocket:notify",
                mark='{"action":"notify","payload":{"mark":{}}}',
                mark_path=("payload", "mark"),
                clear='{"action":"clear"}',
            ),
            BinaryDialect(
                name="jambonz",
                rate="sampleRate",
                call="callSid",
                caller="from",
                called="to",
                key_event="dtmf",
                key="dtmf",
                reached="mark",
                mark='{"type":"mark","data":{"name":{}}}',
                mark_path=("data", "name"),
                clear='{"type":"killAudio"}',
                hang_up='{"type":"disconnect"}',
            ),
        )
    }
)
