"""The language model."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from voicebus.metrics.buckets import STAGE_BUCKETS

LLM_TTFT_SECONDS = Histogram(
    "voicebus_llm_ttft_seconds",
    "From the claim to the first token",
    ["engine", "model"],
    buckets=STAGE_BUCKETS,
)
LLM_SECONDS = Histogram(
    "voicebus_llm_seconds",
    "From the claim to the last token",
    ["engine", "model"],
    buckets=STAGE_BUCKETS,
)
LLM_TOKENS = Counter(
    "voicebus_llm_tokens_total",
    "Tokens of replies, also of those that failed or were left: as they were counted, else the"
    " pieces that came",
    ["engine", "model"],
)
LLM_WASTED_TOKENS = Counter(
    "voicebus_llm_wasted_tokens_total",
    "Pieces streamed for replies that were cancelled: speculative (never released), interrupted",
    ["reason"],
)
LLM_TOKENS_PER_SECOND = Histogram(
    "voicebus_llm_tokens_per_second",
    "How fast one reply is written, behind its first token",
    ["engine", "model"],
    buckets=(1, 2, 5, 10, 15, 20, 30, 40, 50, 65, 80, 100, 150, 200, 300, 500),
)
LLM_PROMPT_TOKENS = Counter(
    "voicebus_llm_prompt_tokens_total",
    "Tokens of what models were asked, also for replies that failed or were left: as they were"
    " counted, else a quarter of the characters",
    ["engine", "model"],
)
LLM_PROVIDER_FAILURES = Counter(
    "voicebus_llm_provider_failures_total",
    "Requests that a provider did not answer, or not to the end",
    ["provider", "code"],
)
LLM_FAILOVERS = Counter(
    "voicebus_llm_failovers_total",
    "Replies that another provider gave or went on with: nothing was said yet (unheard), gone on"
    " with behind the same words (continued), begun anew before any was spoken (anew), ended with"
    " the last words that were spoken (cut)",
    ["outcome"],
)
LLM_WITHOUT_TOOLS = Counter(
    "voicebus_llm_without_tools_total",
    "Requests whose functions were left out, because the model refuses them",
    ["provider"],
)
LLM_COST_USD = Counter(
    "voicebus_llm_cost_usd_total",
    "What replies cost, in US dollars, where it is known; also those that failed or were left",
    ["provider", "model"],
)
LLM_UNPRICED = Counter(
    "voicebus_llm_unpriced_total",
    "Requests to providers of which nobody knows what they cost",
    ["provider", "model"],
)
LLM_PROVIDER_OPEN = Gauge(
    "voicebus_llm_provider_open",
    "Whether a provider is left alone after failures (1): it is asked last",
    ["provider"],
)
