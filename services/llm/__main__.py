"""``python -m services.llm``: one LLM worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from services.llm.building import build
from services.llm.settings import SCOPE, LlmSettings
from services.llm.worker import answer
from voicebus import settings
from voicebus.lately import Lately
from voicebus.process import run, serve_role
from voicebus.worker import Role


async def main(stop: asyncio.Event) -> None:
    """Answer turns until ``stop``."""
    chosen = settings.read(LlmSettings, os.environ, SCOPE)
    providers = build(chosen)
    firsts = Lately()
    role = Role(
        name="llm",
        slots=chosen.slots,
        engine=providers.shown,
        answers_ms=firsts.quantiles,
        models=providers.models,
    )
    try:
        work = partial(answer, providers=providers, firsts=firsts)
        await serve_role(role, work, providers.warm, stop)
    finally:
        await providers.close()


if __name__ == "__main__":
    sys.exit(run("llm", main))
