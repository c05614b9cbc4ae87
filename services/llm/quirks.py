"""Where the providers of OpenAI's chat API differ from it: the one table.

Each row says what its provider documents. Models of one provider differ, too, and change by the
month: what a row has wrong for a model is found out when it is warmed
(:func:`services.llm.engines.openai_settings.simpler`), so a row need not know every model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

Kind = Literal[
    "compatible",
    "openai",
    "openrouter",
    "gemini",
    "deepseek",
    "kimi",
    "anthropic",
    "ollama",
    "vllm",
    "llama.cpp",
]
"""The providers that are known by name; ``compatible`` is any other one."""


class Prefill(Struct, frozen=True):
    """How a server is told to go on behind the assistant's last message.

    Fields
        body: Further fields of the request.
        message: Further fields of that message.
    """

    body: Mapping[str, Any] = {}
    message: Mapping[str, Any] = {}


class Quirks(Struct, frozen=True, kw_only=True):
    """How one provider differs.

    Fields
        url: Base URL.
        max_tokens_field: What it calls the bound of a reply.
        sends_temperature: Whether it is told a temperature; False where it may only be the default.
        either_sampling: Whether it refuses a temperature beside a ``top_p``.
        counts_tokens: Whether it is asked to count tokens in a stream.
        extra_body: Further fields of every request. Who is spoken to waits for the first word, so
            thinking before it is switched off where there is a field for that.
        prefill: How it goes on behind the beginning of an answer; None where it cannot.
        is_own: Whether it runs on a machine of ours: it costs nothing by the token, and every model
            that it lists (an adapter, too) may be asked for by name.
    """

    url: str
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    sends_temperature: bool = True
    either_sampling: bool = False
    counts_tokens: bool = True
    extra_body: Mapping[str, Any] = {}
    prefill: Prefill | None = None
    is_own: bool = False


BEHIND: Final = Prefill(body={"continue_final_message": True, "add_generation_prompt": False})
"""vLLM wants both, and llama.cpp, which goes on without being told, takes them."""

_NO_THINKING: Final = {"thinking": {"type": "disabled"}}

QUIRKS: Final[Mapping[Kind, Quirks]] = {
    "compatible": Quirks(url="http://127.0.0.1:8081/v1", prefill=None),
    # https://platform.openai.com/docs/api-reference/chat/create: max_tokens is deprecated, and
    # models that reason refuse it.
    "openai": Quirks(
        url="https://api.openai.com/v1",
        max_tokens_field="max_completion_tokens",
    ),
    # https://openrouter.ai/docs/use-cases/usage-accounting: the last chunk has the cost in USD.
    "openrouter": Quirks(url="https://openrouter.ai/api/v1"),
    # https://ai.google.dev/gemini-api/docs/openai: an effort of "none" switches thinking off in the
    # models that can do without.
    "gemini": Quirks(
        url="https://generativelanguage.googleapis.com/v1beta/openai",
        extra_body={"reasoning_effort": "none"},
    ),
    # https://api-docs.deepseek.com/quick_start/pricing: thinking is on unless told otherwise.
    # https://api-docs.deepseek.com/guides/chat_prefix_completion: at the address /beta only.
    "deepseek": Quirks(
        url="https://api.deepseek.com/beta",
        extra_body=_NO_THINKING,
        prefill=Prefill(message={"prefix": True}),
    ),
    # https://platform.kimi.ai/docs/api/models-overview: temperature and the rest are fixed.
    # https://platform.kimi.ai/docs/guide/use-partial-mode-feature-of-kimi-api
    "kimi": Quirks(
        url="https://api.moonshot.ai/v1",
        max_tokens_field="max_completion_tokens",
        sends_temperature=False,
        extra_body=_NO_THINKING,
        prefill=Prefill(message={"partial": True}),
    ),
    # https://platform.claude.com/docs/en/api/openai-sdk: response_format, seed and both penalties
    # are ignored; newer models refuse a temperature, which is found out when they are warmed.
    # https://platform.claude.com/docs/en/about-claude/models/migration-guide: or top_p beside it.
    "anthropic": Quirks(url="https://api.anthropic.com/v1", either_sampling=True),
    # https://docs.ollama.com/api/openai-compatibility
    "ollama": Quirks(url="http://127.0.0.1:11434/v1", is_own=True),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    "vllm": Quirks(url="http://127.0.0.1:8000/v1", prefill=BEHIND, is_own=True),
    "llama.cpp": Quirks(
        url="http://127.0.0.1:8081/v1",
        extra_body={"cache_prompt": True},
        prefill=BEHIND,
        is_own=True,
    ),
}
