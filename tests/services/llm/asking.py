"""The engine in front of a scripted upstream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from schemas.llm import GenerateRequest, Message
from services.llm.engine import Piece
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from tests.services.llm.upstream import Dripping, Hanging, Script, Upstream, serving
from voicebus.errors import EngineError

ASK = GenerateRequest(messages=(Message(role="user", content="Hello"),))
DONE = b"data: [DONE]\n\n"
SECRET = "sk-very-secret"

PATIENT_S = 20.0
"""Of whom nothing is to be late, on a slow machine either."""

DEADLINE_S = 0.3
"""Of whom something is."""


@asynccontextmanager
async def asking(
    script: Script, *, clock: Callable[[], float] = time.monotonic, **changes: Any
) -> AsyncIterator[tuple[OpenAIEngine, Upstream]]:
    """An engine in front of an upstream that follows ``script``."""
    async with serving(script) as upstream:
        settings = OpenAISettings(
            base_url=upstream.url,
            model="model-a",
            api_key=SECRET,
            first_token_timeout_s=PATIENT_S,
            next_token_timeout_s=PATIENT_S,
        )
        engine = OpenAIEngine(msgspec.structs.replace(settings, **changes), clock)
        yield engine, upstream
        await engine.close()


async def reply_of(
    engine: OpenAIEngine, request: GenerateRequest = ASK, into: list[Piece] | None = None
) -> list[Piece]:
    """The whole reply; ``into`` also has what came before an error."""
    pieces = [] if into is None else into
    async for piece in engine.generate(request):
        pieces.append(piece)
    return pieces


async def failure_of(script: Script) -> tuple[EngineError, list[Piece]]:
    """The error in which the reply ends, and what came before it."""
    pieces: list[Piece] = []
    is_late = isinstance(script, Hanging | Dripping)
    is_silent = isinstance(script, Hanging) and not script.events
    first_s = DEADLINE_S if is_silent else PATIENT_S
    next_s = DEADLINE_S if is_late else PATIENT_S
    async with asking(script, first_token_timeout_s=first_s, next_token_timeout_s=next_s) as (
        engine,
        upstream,
    ):
        with pytest.raises(EngineError) as caught:
            await reply_of(engine, into=pieces)
        assert upstream.url not in str(caught.value)
        assert SECRET not in str(caught.value)
    return caught.value, pieces
