"""``python -m services.llm``: one LLM worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Final

import structlog

from services.faults import FaultPlan
from services.llm.engine import Engine
from services.llm.settings import SCOPE, LlmSettings
from services.llm.worker import answer
from voicebus import settings
from voicebus.errors import EngineError
from voicebus.process import run, serve_role
from voicebus.worker import Role

log: Final = structlog.get_logger()


def build_engine(chosen: LlmSettings) -> Engine:
    """Return the engine that the settings name."""
    match chosen.engine:
        case "openai":
            from services.llm.engines.openai import OpenAIEngine, OpenAISettings  # noqa: PLC0415

            return OpenAIEngine(
                OpenAISettings(
                    base_url=chosen.url,
                    model=chosen.model,
                    api_key=chosen.api_key,
                    max_tokens=chosen.max_tokens,
                    temperature=chosen.temperature,
                    extra_body={"cache_prompt": True} if chosen.cache_prompt else {},
                    prefill=chosen.prefill,
                    warm_prompt=chosen.warm_prompt,
                    first_token_timeout_s=chosen.first_token_s,
                    next_token_timeout_s=chosen.next_token_s,
                )
            )
        case "synthetic":
            from services.llm.engines.synthetic import (  # noqa: PLC0415
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


async def _warm(engine: Engine) -> None:
    """Warm the engine; wait for one that is not there yet, for as long as it takes."""
    pause_s = 0.5
    while True:
        try:
            await engine.warm()
        except EngineError as err:
            if not err.retryable:
                raise
            log.warning("engine.awaited", reason=str(err), again_in_s=pause_s)
        else:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, 10.0)


async def main(stop: asyncio.Event) -> None:
    """Answer turns until ``stop``."""
    chosen = settings.read(LlmSettings, os.environ, SCOPE)
    engine = build_engine(chosen)
    role = Role(
        name="llm",
        slots=chosen.slots,
        engine=f"{engine.name} {engine.model}".strip(),
        models=lambda: (engine.model,) if engine.model else (),
    )
    try:
        await serve_role(role, partial(answer, engine=engine), partial(_warm, engine), stop)
    finally:
        await engine.close()


if __name__ == "__main__":
    sys.exit(run("llm", main))
