"""Settings of the LLM worker: ``VOICEBUS_LLM_…``."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from services.faults import Fault
from services.llm.quirks import Kind
from voicebus.prompts import INSTRUCTIONS

SCOPE = "LLM_"

REPLY = "This is a synthetic reply, made without a language model. It always says the same words."


class LlmSettings(Struct, frozen=True, kw_only=True):
    """Which language model answers.

    Fields
        engine: ``openai`` (any compatible URL) or ``synthetic``.
        providers_file: File of several providers, TOML, instead of the URL, its key and model; the
            next one is asked where one fails. See docs/howto/providers.md.
        kind: Whose API it is, which tells how it differs from OpenAI's and where it is.
        url: Base URL of the OpenAI-compatible API. A kind has an address of its own, which it is
            asked at unless this is set.
        api_key: Its key; empty where none is needed.
        model: Model name; empty takes the first that the URL lists.
        max_tokens: Longest reply.
        temperature: Sampling temperature.
        first_token_s: Deadline of the first token.
        next_token_s: Deadline of each further token.
        cache_prompt: Ask llama.cpp to keep the prompt's prefix; other servers may refuse the field.
        prefill: Whether the server goes on behind a last message of the assistant's, as llama.cpp
            and vLLM do: a reply whose worker was lost is then gone on with.
        warm_prompt: System prompt to warm the server's prompt cache with; the turn workers' own.
        slots: Replies that one worker generates at once.
        synthetic_ttft_ms: Time of the synthetic engine to its first token.
        synthetic_tokens_per_s: Its speed.
        synthetic_reply: What it says; ``{asked}`` in it is what the user said last.
        synthetic_fault: What goes wrong with it: ``none``, ``crash``, ``fail``, ``hang``, ``slow``,
            ``garbage`` or ``silence``.
        synthetic_fault_after: How many tokens of a reply it makes before.
        synthetic_fault_text: Goes wrong only where the user's last message has this.
    """

    engine: Literal["openai", "synthetic"] = "openai"
    providers_file: str = ""
    kind: Kind = "compatible"
    url: str = "http://127.0.0.1:8081/v1"
    api_key: str = ""
    model: str = ""
    max_tokens: int = 120
    temperature: float = 0.0
    first_token_s: float = 15.0
    next_token_s: float = 5.0
    cache_prompt: bool = False
    prefill: bool = False
    warm_prompt: str = INSTRUCTIONS
    slots: int = 2
    synthetic_ttft_ms: float = 40.0
    synthetic_tokens_per_s: float = 80.0
    synthetic_reply: str = REPLY
    synthetic_fault: Fault = Fault.NONE
    synthetic_fault_after: int = 0
    synthetic_fault_text: str = ""
