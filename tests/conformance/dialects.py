"""The two forms of the Realtime protocol, GA and beta, each as the official client speaks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI

from tests.e2e.openai.realtime import Client

_OLDER = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
SERVER_VAD = {"type": "server_vad"}
HEARS = {"model": "whisper-1"}


@dataclass(frozen=True)
class Dialect:
    """How one form says things.

    Attributes:
        name: ``ga`` or ``beta``.
        modalities: What it calls the list of ``text`` and ``audio``.
        spoken: That list for an answer in speech.
        session: Makes a session's settings of modalities, turn detection and tools.
    """

    name: str
    modalities: str
    spoken: tuple[str, ...]
    session: Callable[..., dict[str, Any]]

    def event(self, kind: str) -> str:
        """What it calls an event of GA."""
        return _OLDER.get(kind, kind) if self.name == "beta" else kind

    def part(self, kind: str) -> str:
        """What it calls a part of an answer: ``output_text`` or ``output_audio``."""
        return kind.removeprefix("output_") if self.name == "beta" else kind

    @asynccontextmanager
    async def connected(self, sdk: AsyncOpenAI, **query: Any) -> AsyncIterator[Client]:
        """Open a session and wait until it is there."""
        spoken_by: Any = sdk.beta if self.name == "beta" else sdk
        async with spoken_by.realtime.connect(model="gpt-realtime", **query) as opened:
            client = Client(opened)
            assert (await client.next())["type"] == "session.created"
            yield client

    @asynccontextmanager
    async def talking(self, sdk: AsyncOpenAI, **wanted: Any) -> AsyncIterator[Client]:
        """Open a session with settings of its own."""
        async with self.connected(sdk) as client:
            await client.connection.session.update(session=self.session(**wanted))
            assert (await client.next())["type"] == "session.updated"
            yield client


def _ga(
    modality: str = "audio", turns: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    heard = {"turn_detection": turns, "transcription": HEARS}
    return {
        "type": "realtime",
        "output_modalities": [modality],
        "audio": {"input": heard},
        **more,
    }


def _beta(
    modality: str = "audio", turns: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    modalities = ["audio", "text"] if modality == "audio" else [modality]
    heard = {"turn_detection": turns, "input_audio_transcription": HEARS}
    return {"modalities": modalities, **heard, **more}


GA = Dialect("ga", "output_modalities", ("audio",), _ga)
BETA = Dialect("beta", "modalities", ("audio", "text"), _beta)
