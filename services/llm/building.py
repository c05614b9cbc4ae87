"""The providers that the settings name, ready to be asked. Libraries are imported when needed."""

from __future__ import annotations

from typing import Final

from services.faults import FaultPlan
from services.llm.breaker import Rules
from services.llm.engine import Engine
from services.llm.prices import FREE
from services.llm.providers import Provider, Providers
from services.llm.providers_file import ProviderConfig, named_by
from services.llm.quirks import BEHIND, QUIRKS
from services.llm.settings import LlmSettings

_ANY_URL: Final = LlmSettings().url


def build(chosen: LlmSettings) -> Providers:
    """Return the providers that the settings name: those of the file, or a single one.

    Raises:
        ConfigError: The file is not as it must be, or an address is none.
    """
    if chosen.engine == "synthetic":
        return Providers([Provider(name="synthetic", engine=_synthetic(chosen), price=FREE)])
    if not chosen.providers_file:
        return Providers([_single(chosen)])
    file = named_by(chosen)
    return Providers(
        [_provider(name, told, chosen) for name, told in file.providers.items()],
        prefer=file.prefer,
        hedge_after_s=file.hedge_after_s,
        rules=Rules(failures=file.failures),
    )


def _provider(name: str, told: ProviderConfig, chosen: LlmSettings) -> Provider:
    own = FREE if QUIRKS[told.kind].is_own else None
    return Provider(
        name=name,
        engine=_engine(told, chosen),
        models=told.models,
        instead_of=told.instead_of,
        tier=told.rank,
        price=told.price or own,
        prices=told.prices,
    )


def _single(chosen: LlmSettings) -> Provider:
    is_own_url = chosen.kind != "compatible" and chosen.url == _ANY_URL
    told = ProviderConfig(
        kind=chosen.kind,
        url="" if is_own_url else chosen.url,
        key=chosen.api_key,
        model=chosen.model,
        first_token_s=chosen.first_token_s,
        next_token_s=chosen.next_token_s,
        prefill=True if chosen.prefill else None,
        extra_body={"cache_prompt": True} if chosen.cache_prompt else {},
    )
    name = "openai" if chosen.kind == "compatible" else chosen.kind
    return _provider(name, told, chosen)


def _engine(told: ProviderConfig, chosen: LlmSettings) -> Engine:
    from services.llm.engines.openai import (  # noqa: PLC0415 - a library that not all have
        OpenAIEngine,
        OpenAISettings,
    )

    quirks = QUIRKS[told.kind]
    return OpenAIEngine(
        OpenAISettings(
            base_url=told.url or quirks.url,
            model=told.model,
            api_key=told.key,
            max_tokens=chosen.max_tokens,
            temperature=chosen.temperature,
            max_tokens_field=quirks.max_tokens_field,
            sends_temperature=quirks.sends_temperature,
            either_sampling=quirks.either_sampling,
            counts_tokens=quirks.counts_tokens,
            extra_body={**quirks.extra_body, **told.extra_body},
            prefill=quirks.prefill is not None if told.prefill is None else told.prefill,
            prefill_as=quirks.prefill or BEHIND,
            lists_models=quirks.is_own,
            warm_prompt=chosen.warm_prompt,
            first_token_timeout_s=told.first_token_s,
            next_token_timeout_s=told.next_token_s,
        )
    )


def _synthetic(chosen: LlmSettings) -> Engine:
    from services.llm.engines.synthetic import (  # noqa: PLC0415 - for tests of load
        SyntheticEngine,
        SyntheticSettings,
    )

    return SyntheticEngine(
        SyntheticSettings(
            ttft_ms=chosen.synthetic_ttft_ms,
            tokens_per_s=chosen.synthetic_tokens_per_s,
            reply=chosen.synthetic_reply,
            token_timeout_s=chosen.next_token_s,
            continues=chosen.prefill,
            fault=FaultPlan(
                fault=chosen.synthetic_fault,
                after=chosen.synthetic_fault_after,
                text=chosen.synthetic_fault_text,
            ),
        )
    )
