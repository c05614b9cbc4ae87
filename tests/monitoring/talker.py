"""What the language model of the house says: a reply at its pace, and now and then a function."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.llm.settings import REPLY
from tests.e2e.upstream import LanguageModel, asking

TEA: Final = "Is there tea?"
"""Who asks this has a function called, where there are any."""

_TOKEN_S: Final = 1 / 80


def talker(server: LanguageModel, request: Request, messages: list[dict[str, Any]]) -> Response:
    """Say what the synthetic engine says, and what it used; or call a function."""
    asked = [one["content"] for one in messages if one["role"] == "user"]
    if server.offered[-1] and asked[-1:] == [TEA]:
        return asking(("shop_stock", {"tea": "mint"}))(server, request, messages)
    words = REPLY.split(" ")
    used = {"prompt_tokens": 20 * len(messages), "completion_tokens": len(words)}

    async def events() -> AsyncIterator[str]:
        for word in words:
            await asyncio.sleep(_TOKEN_S)
            yield _event({"delta": {"content": f"{word} "}, "index": 0})
        yield _event({"delta": {}, "index": 0, "finish_reason": "stop"}, usage=used)
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _event(choice: dict[str, Any], **fields: Any) -> str:
    made = {"id": "1", "object": "chat.completion.chunk", "model": "echo", "choices": [choice]}
    return f"data: {json.dumps({**made, **fields})}\n\n"
