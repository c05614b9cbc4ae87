"""The language models: which provider answers, what it calls and costs, and vLLM's own side."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit, quantiles, rate

_VLLM: Final = "a vLLM server that Prometheus scrapes"
_PER_HOUR: Final = 3600


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-models",
        "voicebus / 6 Language models",
        (
            Row("Providers", _providers()),
            Row("Functions that the language model calls", _functions()),
            Row("Costs", _costs()),
            Row("vLLM", _vllm()),
        ),
    )


def _providers() -> tuple[Panel, ...]:
    return (
        Panel(
            title="First token",
            about="TTFT by who gave the reply, failed attempts before it included.",
            queries=quantiles("voicebus_llm_ttft_seconds", "engine", "{{engine}}"),
            unit=Unit.SECONDS,
        ),
        Panel(
            title="Failures of providers",
            about="By what happened. The caller hears of it only when all have failed.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_llm_provider_failures_total', 'provider, code')}",
                    "{{provider}} {{code}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            only="a provider that fails",
        ),
        Panel(
            title="Replies given by another one",
            about="unheard: before its first word. cut: the only outcome that a caller notices.",
            queries=(
                Query(f"60 * {rate('voicebus_llm_failovers_total', 'outcome')}", "{{outcome}}"),
            ),
            unit=Unit.PER_MINUTE,
            only="a provider that fails",
        ),
        Panel(
            title="Left alone",
            about="1: this provider failed some times in a row and is asked last.",
            queries=(Query("max by (provider) (voicebus_llm_provider_open)", "{{provider}}"),),
            unit=Unit.COUNT,
            kind=Kind.FIGURE,
            bad=1,
        ),
        Panel(
            title="Tokens asked and written",
            about="A second, by model. A conversation's head is asked again in each turn.",
            queries=(
                Query(rate("voicebus_llm_prompt_tokens_total", "model"), "{{model}} asked"),
                Query(rate("voicebus_llm_tokens_total", "model"), "{{model}} written"),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            title="Pace of a reply",
            about="Tokens a second behind the first one, by model.",
            queries=quantiles("voicebus_llm_tokens_per_second", "model", "{{model}}"),
            unit=Unit.PER_SECOND,
        ),
    )


def _functions() -> tuple[Panel, ...]:
    only = "a function that is called"
    return (
        Panel(
            title="Calls",
            about="By server. failed: the model was told so, and says it in its own words.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_tool_calls_total', 'server, outcome')}",
                    "{{server}} {{outcome}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            width=8,
            only=only,
        ),
        Panel(
            title="Time of a call",
            about="The reply waits for it: the caller hears what was said before, then silence.",
            queries=quantiles("voicebus_tool_seconds", "server", "{{server}}"),
            unit=Unit.SECONDS,
            width=8,
            only=only,
        ),
        Panel(
            title="Requests without them",
            about="To a model that refuses functions, where no other one takes them.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_llm_without_tools_total', 'provider')}", "{{provider}}"
                ),
            ),
            unit=Unit.PER_MINUTE,
            width=8,
            only="a model that refuses functions",
        ),
    )


def _costs() -> tuple[Panel, ...]:
    return (
        Panel(
            title="US dollars an hour",
            about="By provider, at the prices of its file or as it says itself.",
            queries=(
                Query(
                    f"{_PER_HOUR} * {rate('voicebus_llm_cost_usd_total', 'provider')}",
                    "{{provider}}",
                ),
            ),
            unit=Unit.COUNT,
            kind=Kind.STACK,
            width=12,
            only="a price",
        ),
        Panel(
            title="Of unknown cost",
            about="Requests of which nobody knows what they cost: write their price into the file.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_llm_unpriced_total', 'provider, model')}",
                    "{{provider}} {{model}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            width=12,
            only="a request without a price",
        ),
    )


def _vllm() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Requests",
            about="Running together, and waiting for their turn: those have no first token soon.",
            queries=(
                Query("sum by (instance) (vllm:num_requests_running)", "{{instance}} running"),
                Query("sum by (instance) (vllm:num_requests_waiting)", "{{instance}} waiting"),
            ),
            unit=Unit.COUNT,
            only=_VLLM,
        ),
        Panel(
            title="Key-value cache",
            about="How full it is. At 100 % requests are put off and computed anew.",
            queries=(
                Query("max by (instance) (vllm:kv_cache_usage_perc)", "{{instance}}"),
                Query(f"60 * {rate('vllm:num_preemptions_total', 'instance')}", "put off a minute"),
            ),
            unit=Unit.RATIO,
            bad=0.95,
            only=_VLLM,
        ),
        Panel(
            title="First token, as vLLM sees it",
            about="What is missing to the panel on top is the network, and who was asked before.",
            queries=quantiles("vllm:time_to_first_token_seconds", "model_name", "{{model_name}}"),
            unit=Unit.SECONDS,
            only=_VLLM,
        ),
        Panel(
            title="From token to token",
            about="Slower than speech (a quarter of a second) and replies break off.",
            queries=quantiles("vllm:inter_token_latency_seconds", "model_name", "{{model_name}}"),
            unit=Unit.SECONDS,
            bad=0.25,
            only=_VLLM,
        ),
        Panel(
            title="Found in the prefix cache",
            about="Of the tokens asked. Near 1 - 1/turns where heads of conversations are kept.",
            queries=(
                Query(
                    f"{rate('vllm:prefix_cache_hits_total', 'instance')}"
                    f" / {rate('vllm:prefix_cache_queries_total', 'instance')}",
                    "{{instance}}",
                ),
            ),
            unit=Unit.RATIO,
            only=_VLLM,
        ),
    )
