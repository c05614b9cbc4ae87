"""An LLM engine without a model: a canned reply at a settable pace.

For measurements of everything around the model, to run the system without one, and to see what
becomes of a turn whose model goes wrong.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator

from msgspec import Struct

from schemas.llm import GenerateRequest, ToolCall
from services.faults import NO_FAULT, SLOWNESS, Fault, FaultPlan
from services.llm.engine import Piece
from services.llm.settings import REPLY
from voicebus.errors import EngineTimeout

_TOKEN = re.compile(r"\s*\S+|\s+")
_GARBAGE = " \ufffd\x00}{"
_CALL = "call_synthetic"
_ASKED = "{asked}"


class SyntheticSettings(Struct, frozen=True, kw_only=True):
    """How the synthetic model behaves.

    Fields
        reply: What it says to everything; ``{asked}`` in it is what the user said last.
        ttft_ms: Time before the first token.
        tokens_per_s: Pace of the tokens after the first; a token is a word.
        fault: What goes wrong, counted in tokens; its text is looked for in the last message of
            the user.
        token_timeout_s: When a reply that hangs is given up.
        continues: Whether it goes on behind the beginning of an answer.
    """

    reply: str = REPLY
    ttft_ms: float = 50.0
    tokens_per_s: float = 100.0
    fault: FaultPlan = NO_FAULT
    token_timeout_s: float = 5.0
    continues: bool = True


class SyntheticEngine:
    """An :class:`services.llm.engine.Engine` that asks no model."""

    name = "synthetic"
    model = "synthetic"
    models = ("synthetic",)
    synthetic = True
    max_tokens = 0

    def __init__(self, settings: SyntheticSettings) -> None:
        self._settings = settings

    @property
    def continues(self) -> bool:
        """As the settings say."""
        return self._settings.continues

    def takes_tools(self, model: str) -> bool:
        """It calls what it is told to call."""
        return True

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Stream the canned reply on an absolute schedule, so that late wake-ups do not add up."""
        settings = self._settings
        asked = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        tokens = _TOKEN.findall(_behind(request, settings.reply.replace(_ASKED, asked)))
        kept = tokens[: request.max_tokens] if request.max_tokens > 0 else tokens
        prompt_tokens = sum(len(_TOKEN.findall(m.content)) for m in request.messages)
        if called := _called(request):
            await asyncio.sleep(settings.ttft_ms / 1000)
            yield Piece(text="", tool_calls=(ToolCall(id=_CALL, name=called, arguments="{"),))
            yield Piece(text="", tool_calls=(ToolCall(arguments="}"),))
            yield Piece(text="", finish_reason="tool_calls", tokens=2, prompt_tokens=prompt_tokens)
            return
        loop = asyncio.get_running_loop()
        first_at = loop.time() + settings.ttft_ms / 1000
        for position, token in enumerate(kept):
            due = first_at + position / settings.tokens_per_s
            await asyncio.sleep(max(0.0, due - loop.time()))
            match settings.fault.due(position, asked):
                case Fault.HANG:
                    await asyncio.sleep(settings.token_timeout_s)
                    raise EngineTimeout("The language model did not answer in time.")
                case Fault.SLOW:
                    await asyncio.sleep((SLOWNESS - 1) / settings.tokens_per_s)
                    yield Piece(text=token)
                case Fault.GARBAGE:
                    yield Piece(text=_GARBAGE)
                case Fault.SILENCE:
                    yield Piece(text="", finish_reason="stop", tokens=position)
                    return
                case _:
                    yield Piece(text=token)
        reason = "stop" if len(kept) == len(tokens) else "length"
        yield Piece(text="", finish_reason=reason, tokens=len(kept), prompt_tokens=prompt_tokens)

    async def warm(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to give back."""


def _called(request: GenerateRequest) -> str:
    """Return the function that must be called, if one must; with a result it is called no more."""
    if not request.tools or request.messages[-1].role == "tool":
        return ""
    is_asked = request.tool_name or request.tool_choice == "required"
    return request.tool_name or (request.tools[0].name if is_asked else "")


def _behind(request: GenerateRequest, reply: str) -> str:
    """Return the reply up to where it is to stop; of one that the request begins, the rest."""
    for text in request.sampling.stop:
        reply = reply.partition(text)[0]
    last = request.messages[-1]
    return reply.removeprefix(last.content) if last.role == "assistant" else reply
