"""A chat's answer that is spoken, too: the voice follows the words while they are written.

The API: https://platform.openai.com/docs/guides/audio
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any, Final

from msgspec import Struct

from edge.errand import Errand
from edge.openai.chat_answer import Completion
from edge.openai.chat_request import ChatAudio, ChatRequest
from edge.openai.endpoint import KIND, Call
from edge.openai.errors import BadRequest
from edge.openai.sound import RATE_HZ, Recording
from edge.openai.stream import DONE, event
from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta
from schemas.tts import SpeakRequest, SpeechDone
from subjects.tokens import new_token
from voicebus.errors import EngineUnavailable

ROLES: Final = ("llm", "tts")
"""Whose work it is."""

_FORMATS: Final = {"pcm16": "pcm"}


class Spoken(Struct, frozen=True):
    """How an answer is spoken.

    Fields
        request: What the voice is asked: to say what is written in the same turn.
        format: The file's.
    """

    request: SpeakRequest
    format: str


async def spoken(call: Call, asked: ChatRequest) -> Spoken:
    """Return how the answer is to be spoken.

    Raises:
        BadRequest: There is no such voice, or there are to be several answers.
    """
    if (asked.n or 1) > 1:
        raise BadRequest("One answer can be spoken, and not several.", "n")
    audio = asked.audio or ChatAudio()
    named = audio.voice.get("id", "") if isinstance(audio.voice, dict) else audio.voice
    voice = await call.api.names.voice(str(named))
    request = SpeakRequest(turn=1, voice=voice, rate_hz=RATE_HZ)
    return Spoken(request, _FORMATS.get(audio.format, audio.format))


class Speech:
    """A spoken answer on its way.

    Args:
        completion: Its words.
        recording: Its sound.
    """

    def __init__(self, completion: Completion, recording: Recording) -> None:
        self._completion = completion
        self._recording = recording
        self._id = new_token("audio_")
        self._last: list[dict[str, Any]] = []
        self._file = bytearray()
        self._has_words = False
        self._is_silent = False

    async def whole(self, errand: Errand) -> dict[str, Any]:
        """Return the answer that comes at once."""
        async for said in errand.events():
            self._completion.take(said)
            self._file += await self._sound(said)
            if self._is_complete:
                break
        answer = self._completion.whole()
        if self._is_silent:
            return answer
        message = answer["choices"][0]["message"]
        message["audio"] = {
            "id": self._id,
            "data": base64.b64encode(self._file).decode(),
            "transcript": message["content"] or "",
            **self._expiry(),
        }
        message["content"] = None
        return answer

    async def events(self, errand: Errand, *, wants_usage: bool) -> AsyncGenerator[bytes, None]:
        """Yield the answer as a stream: pieces of the words and of the file as they come."""
        extra = {"usage": None} if wants_usage else {}
        async for said in errand.events():
            for chunk in await self._told(said):
                yield event({**chunk, **extra})
            if self._is_complete:
                break
        end = self._completion.chunk(0, {"audio": {"id": self._id, **self._expiry()}})
        for chunk in self._last if self._is_silent else (end, *self._last):
            yield event({**chunk, **extra})
        if wants_usage:
            yield event(self._completion.usage_chunk())
        yield DONE

    @property
    def _is_complete(self) -> bool:
        return self._completion.is_complete and (self._recording.is_complete or self._is_silent)

    async def _sound(self, said: Event) -> bytes:
        """Return the bytes of the file that are complete; what only calls functions has none."""
        self._has_words |= isinstance(said, TokenDelta) and bool(said.text)
        if isinstance(said, SpeechDone) and not (self._has_words or self._recording.samples):
            self._is_silent = True
            return b""
        return await self._recording.take(said)

    async def _told(self, said: Event) -> list[dict[str, Any]]:
        if isinstance(said, TokenDelta) and said.anew and self._has_words:
            # The transcript of which the client has a part is not that of the sound to come.
            raise EngineUnavailable("The one who wrote this reply was lost; ask again.")
        chunks = self._completion.take(said)
        if isinstance(said, GenerationDone):
            # Why it ended comes last, behind the sound.
            self._last = chunks[-1:]
            chunks = chunks[:-1]
        for chunk in chunks:
            self._put_into_audio(chunk["choices"][0]["delta"])
        if made := await self._sound(said):
            data = base64.b64encode(made).decode()
            chunks.append(self._completion.chunk(0, {"audio": {"id": self._id, "data": data}}))
        return chunks

    def _put_into_audio(self, delta: dict[str, Any]) -> None:
        """Tell words as the transcript of what is heard."""
        text = delta.pop("content", None)
        if text:
            delta["audio"] = {"id": self._id, "transcript": text}

    def _expiry(self) -> dict[str, int]:
        """Nothing is kept: a later message cannot name this audio."""
        return {"expires_at": self._completion.created}


def recording_of(call: Call, chosen: Spoken) -> Recording:
    """Return the file that is made, which is closed with the request."""
    recording = Recording(chosen.format, KIND)
    call.opened.push_async_callback(recording.close)
    return recording
