"""What the language model of the house says: a reply in its time, and now and then a function."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.llm.settings import REPLY
from tests.e2e.upstream import LanguageModel, asking, slowly

TEA: Final = "Is there tea?"
"""Who asks this has a function called."""

_TOKEN_S: Final = 1 / 80


def talker(server: LanguageModel, request: Request, messages: list[dict[str, Any]]) -> Response:
    """Say what the synthetic engine says, at its pace; or call."""
    asked = [one["content"] for one in messages if one["role"] == "user"]
    if server.offered[-1] and asked[-1:] == [TEA]:
        return asking(("shop_stock", {"tea": "mint"}))(server, request, messages)
    return slowly(REPLY, _TOKEN_S)(server, request, messages)
