"""Several providers over real HTTP, each with a script of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from services.llm.breaker import Rules
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from services.llm.providers import Provider, Providers
from tests.services.llm.upstream import (
    STREAM,
    Hanging,
    Script,
    Upstream,
    event,
    serving,
    text_event,
)

DEADLINE_S = 0.2
"""Of those who are to be late."""

PATIENT_S = 10.0
"""Of those who are not, on a slow machine either."""


def saying(text: str, *, reason: str = "stop") -> Script:
    """Say it word by word."""
    words = text.split(" ")
    pieces = [words[0], *(f" {word}" for word in words[1:])]
    counted = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(words)}})
    events = b"".join([*map(text_event, pieces), text_event("", reason), counted])

    async def script(_: Upstream, writer: Any) -> None:
        writer.write(STREAM + events)
        await writer.drain()

    return script


@asynccontextmanager
async def providing(
    *scripts: Script, prefill: bool = True, patience_s: float = DEADLINE_S, **changes: Any
) -> AsyncIterator[tuple[Providers, list[Upstream]]]:
    """Providers ``a``, ``b`` … in this order, and what each of them is asked.

    The tokens of one that hangs are waited for as long as ``patience_s``.
    """
    async with AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(serving(script)) for script in scripts]
        listed = []
        for name, script, upstream in zip("abcdef", scripts, upstreams, strict=False):
            is_late = isinstance(script, Hanging)
            is_silent = isinstance(script, Hanging) and not script.events
            engine = OpenAIEngine(
                OpenAISettings(
                    base_url=upstream.url,
                    model=f"model-{name}",
                    first_token_timeout_s=patience_s if is_silent else PATIENT_S,
                    next_token_timeout_s=patience_s if is_late else PATIENT_S,
                    prefill=prefill,
                )
            )
            stack.push_async_callback(engine.close)
            listed.append(Provider(name=name, engine=engine))
        yield Providers(listed, rules=Rules(failures=2), **changes), upstreams
