"""What the language model of the house says: a reply in its time, and now and then a function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.llm.settings import REPLY
from tests.e2e.upstream import LanguageModel, asking, chunk, streamed

TEA: Final = "Is there tea?"
"""Who asks this has a function called."""

_SAID: Final = " ".join([REPLY] * 3)
_TOKEN_S: Final = 0.05


def talker(server: LanguageModel, request: Request, messages: list[dict[str, Any]]) -> Response:
    """Say what the synthetic engine says, at such a pace that it can be interrupted."""
    asked = [one["content"] for one in messages if one["role"] == "user"]
    if server.offered[-1] and asked[-1:] == [TEA]:
        return asking(("shop_stock", {"tea": "mint"}))(server, request, messages)

    async def events() -> AsyncIterator[str]:
        for word in _SAID.split(" "):
            await asyncio.sleep(_TOKEN_S)
            yield chunk({"content": f"{word} "})
        yield chunk({}, "stop")
        yield "data: [DONE]\n\n"

    return streamed(events())
