"""POST /v1/audio/speech: a text in, its audio out while it is being spoken.

The API: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from edge.errand import Errand
from edge.openai.endpoint import KIND, Call
from edge.openai.errors import BadRequest
from edge.openai.sound import RATE_HZ, Recording
from edge.openai.stream import Streamed, begun, begun_events, event
from schemas.tts import SpeakRequest
from voicebus.audio.encode import FORMATS

MAX_CHARACTERS: Final = 4096
"""Longest text."""

_SPEAKS: Final = "tts"
_MS_PER_TOKEN: Final = 50
"""Speech has no tokens here: 20 of them a second, and one for each character of the text."""


class NamedVoice(Struct, kw_only=True):
    """A voice, as newer clients name it."""

    id: str


class SpeechRequest(Struct, kw_only=True):
    """The body. What is not here is passed over: no voice follows ``instructions`` yet."""

    input: Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS)]
    model: str
    voice: str | NamedVoice | None = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] | None = None
    stream_format: Literal["audio", "sse"] | None = None

    @property
    def voice_name(self) -> str:
        """The voice's name; empty for the default one."""
        return self.voice.id if isinstance(self.voice, NamedVoice) else self.voice or ""


async def create(call: Call) -> Response:
    """Speak a text.

    Raises:
        BadRequest: It asks for what there is not.
        VoicebusError: It cannot be spoken.
    """
    asked = await call.json(SpeechRequest)
    if not asked.input.strip():
        raise BadRequest("There is nothing to say.", "input")
    await call.api.names.expect_any(asked.model, _SPEAKS)
    voice = await call.api.names.voice(asked.voice_name)
    name = asked.response_format or "mp3"
    errand = await call.errand(_SPEAKS)
    await errand.ask(
        SpeakRequest(
            turn=1, text=asked.input, voice=voice, rate_hz=RATE_HZ, speed=asked.speed or 1.0
        )
    )
    recording = Recording(name, KIND)
    call.opened.push_async_callback(recording.close)
    if asked.stream_format == "sse":
        events = _events(errand, recording, len(asked.input))
        return await begun_events(events, call.api.settings.keepalive_s)
    return Streamed(await begun(_bytes(errand, recording)), FORMATS[name].mime)


async def _bytes(errand: Errand, recording: Recording) -> AsyncGenerator[bytes, None]:
    async for said in errand.events():
        if made := await recording.take(said):
            yield made
        if recording.is_complete:
            return


async def _events(
    errand: Errand, recording: Recording, characters: int
) -> AsyncGenerator[bytes, None]:
    async for made in _bytes(errand, recording):
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(made).decode()})
    said = recording.samples * 1000 // RATE_HZ // _MS_PER_TOKEN
    usage = {
        "input_tokens": characters,
        "output_tokens": said,
        "total_tokens": characters + said,
    }
    yield event({"type": "speech.audio.done", "usage": usage})
