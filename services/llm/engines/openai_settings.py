"""Which OpenAI-compatible server is asked and how; and what to leave out if it refuses that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from services.llm.quirks import BEHIND, Prefill


class OpenAISettings(Struct, frozen=True, kw_only=True):
    """Which server, and how long to wait for it.

    Fields
        base_url: Address up to and including the version, ``http://127.0.0.1:8080/v1``.
        model: Model of requests that name none; empty for the first that the server lists.
        api_key: Secret for the server; empty for one that wants none.
        max_tokens: Bound of replies whose request sets none.
        temperature: Of requests that set none.
        max_tokens_field: What the server calls its bound; OpenAI's newer models refuse the
            older name, other servers may not know the newer one.
        sends_temperature: Whether the server is told one; False for one that refuses that.
        either_sampling: Whether it refuses a temperature beside a ``top_p``.
        counts_tokens: Whether the server is asked for its count; False for one that refuses that.
        extra_body: Further fields of the body, for one server only: ``{"cache_prompt": true}``.
        prefill: Whether the server goes on behind a last message of the assistant's.
        prefill_as: How it is told to.
        lists_models: Whether every model that it lists may be asked for by its name.
        warm_prompt: System message of the warming request. The conversations' own, so that its
            tokens are in the server's prompt cache before the first of them begins.
        connect_timeout_s: For the connection.
        first_token_timeout_s: From the request to the first text.
        next_token_timeout_s: From one piece of the reply to the next; one without words is none.
    """

    base_url: str
    model: str = ""
    api_key: str = ""
    max_tokens: int = 120
    temperature: float = 0.0
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    sends_temperature: bool = True
    either_sampling: bool = False
    counts_tokens: bool = True
    extra_body: Mapping[str, Any] = {}
    prefill: bool = False
    prefill_as: Prefill = BEHIND
    lists_models: bool = False
    warm_prompt: str = ""
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 15.0
    next_token_timeout_s: float = 5.0


def simpler(settings: OpenAISettings) -> Iterator[OpenAISettings]:
    """Yield what to try with a server that refuses a plain request: each leaves one more thing out.

    Fields of one server only go first, then the temperature, which models that reason refuse; then
    the bound is called by its other name, and at last the server is not asked to count.
    """
    tried = settings
    others: dict[str, Literal["max_tokens", "max_completion_tokens"]] = {
        "max_tokens": "max_completion_tokens",
        "max_completion_tokens": "max_tokens",
    }
    changes: tuple[dict[str, Any], ...] = (
        {"extra_body": {}},
        {"sends_temperature": False},
        {"max_tokens_field": others[settings.max_tokens_field]},
        {"counts_tokens": False},
    )
    for change in changes:
        changed = replace(tried, **change)
        if changed != tried:
            tried = changed
            yield tried
