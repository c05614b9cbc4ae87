"""How a Realtime session is to be: the session object, as the API has it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from edge.openai.realtime.errors import BadEvent

LARGEST_BYTES: Final = 512 * 1024
"""Most of a session, as JSON: it is told with each change, and read again."""

JsonObject = dict[str, Any]
"""An object of JSON."""

Instructions = Annotated[str, Meta(max_length=64_000)]
MaxTokens = Annotated[int, Meta(ge=1, le=4_096)] | Literal["inf"]
Modalities = Annotated[tuple[Literal["audio", "text"], ...], Meta(min_length=1, max_length=2)]
VoiceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class FunctionTool(Struct, frozen=True, kw_only=True):
    """A function that the model may call.

    Fields
        parameters: A JSON schema.
    """

    type: Literal["function"] = "function"
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str = ""
    parameters: Any = None


Tools = Annotated[tuple[FunctionTool, ...], Meta(max_length=128)]


class VoiceById(Struct, frozen=True, kw_only=True):
    """A voice, in the longer of its two forms."""

    id: VoiceName


class Pcm(Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcm"):
    """Samples, s16le mono. Other rates than 24000 are an extension."""

    rate: Literal[8000, 16000, 24000, 48000] = 24000


class MuLaw(Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law at 8 kHz."""


class ALaw(Struct, frozen=True, kw_only=True, tag_field="type", tag="audio/pcma"):
    """G.711 A-law at 8 kHz."""


Format = Pcm | MuLaw | ALaw


class ServerVad(Struct, frozen=True, kw_only=True, tag_field="type", tag="server_vad"):
    """Turns end with a pause."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=10_000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0, le=20_000)] = 500
    idle_timeout_ms: Annotated[int, Meta(ge=1_000, le=600_000)] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(Struct, frozen=True, kw_only=True, tag_field="type", tag="semantic_vad"):
    """Turns end when the caller sounds as if they had finished."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad


class Transcription(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the client is told of what the caller says."""

    model: str = "whisper-1"
    language: Annotated[str, Meta(max_length=35)] | None = None
    prompt: Annotated[str, Meta(max_length=1_000)] | None = None


class Input(Struct, frozen=True, kw_only=True):
    """How the caller is heard."""

    format: Format = Pcm()
    noise_reduction: Any = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = ServerVad()


class Output(Struct, frozen=True, kw_only=True):
    """How answers sound."""

    format: Format = Pcm()
    voice: VoiceName | VoiceById = "alloy"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0

    @property
    def voice_name(self) -> str:
        """The voice's name, in whichever form it came."""
        return self.voice.id if isinstance(self.voice, VoiceById) else self.voice


class Audio(Struct, frozen=True, kw_only=True):
    """Both directions."""

    input: Input = Input()
    output: Output = Output()


class Session(Struct, frozen=True, kw_only=True):
    """The whole of it, with its defaults.

    Fields
        type: ``realtime`` answers, ``transcription`` only hears.
        output_modalities: ``audio``, whose words are told, too, or ``text``.
        tools: Functions that the model may call.
        truncation: Taken and given back; the turn worker bounds what the model is asked.
    """

    type: Literal["realtime", "transcription"] = "realtime"
    model: str = "voicebus"
    output_modalities: Modalities = ("audio",)
    instructions: Instructions = ""
    tools: Tools = ()
    tool_choice: str | JsonObject = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: MaxTokens = "inf"
    truncation: Any = "auto"
    tracing: Any = None
    prompt: Any = None
    include: tuple[str, ...] | None = None
    audio: Audio = Audio()

    @property
    def answers_by_itself(self) -> bool:
        """Whether the end of the caller's turn asks for an answer."""
        detection = self.audio.input.turn_detection
        is_wanted = detection is not None and detection.create_response
        return is_wanted and self.type == "realtime"

    @property
    def is_interruptible(self) -> bool:
        """Whether the caller's speech stops an answer."""
        detection = self.audio.input.turn_detection
        return detection is not None and detection.interrupt_response

    def described(self, session_id: str, expires_at: int) -> JsonObject:
        """Return the object that the client is told."""
        told: JsonObject = msgspec.to_builtins(self)
        told |= {"id": session_id, "object": f"realtime.{_KIND[self.type]}"}
        told["expires_at"] = expires_at
        if self.type == "transcription":
            kept = ("type", "id", "object", "expires_at", "include")
            return {name: told[name] for name in kept} | {
                "audio": {"input": told["audio"]["input"]}
            }
        return told

    def changed(self, wanted: JsonObject, path: str = "session") -> Session:
        """Return the same with the fields that an update names.

        What it does not name stays. A type of turn detection begins with its own defaults.

        Raises:
            BadEvent: A field cannot be so; nothing is changed then.
        """
        wanted_now = merged(msgspec.to_builtins(self), wanted)
        try:
            session = msgspec.convert(wanted_now, Session)
        except msgspec.ValidationError as err:
            raise BadEvent(*explained(str(err), path)) from err
        if len(msgspec.json.encode(session)) > LARGEST_BYTES:
            raise BadEvent(f"A session may have {LARGEST_BYTES} bytes.", "request_too_large", path)
        return session

    def heard_as(self, settled: Session) -> Session:
        """Return the same with the caller heard as a recogniser that is at it already hears.

        Formats and detection's other fields are free; pauses, language and prompt are settled.
        """
        heard, first = self.audio.input, settled.audio.input
        detection = heard.turn_detection
        if detection is not None and first.turn_detection is not None:
            changes: JsonObject = {
                "create_response": detection.create_response,
                "interrupt_response": detection.interrupt_response,
            }
            if isinstance(detection, ServerVad) and isinstance(first.turn_detection, ServerVad):
                changes["idle_timeout_ms"] = detection.idle_timeout_ms
            detection = replace(first.turn_detection, **changes)
        words = heard.transcription
        if words is not None:
            known = first.transcription or Transcription()
            words = replace(words, language=known.language, prompt=known.prompt)
        heard = replace(heard, turn_detection=detection, transcription=words)
        return replace(self, audio=replace(self.audio, input=heard))


_KIND: Final = {"realtime": "session", "transcription": "transcription_session"}
_DEEP: Final = frozenset({"audio", "input", "output"})


def explained(reason: str, path: str) -> tuple[str, str, str]:
    """Return what was wrong in the client's words: the message, the code and the field."""
    what, _, where = reason.partition(" - at `$")
    field = f"{path}{where.rstrip('`')}".lstrip(".")
    return (f"Invalid value for '{field}': {what.lower()}.", "invalid_value", field)


def merged(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return a session's fields with others over them: audio has fields of its own."""
    both = dict(old)
    for name, value in new.items():
        inner = both.get(name)
        if name in _DEEP and isinstance(inner, dict) and isinstance(value, dict):
            both[name] = merged(inner, value)
        else:
            both[name] = value
    return both
