"""``python -m services.tts``: one TTS worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from services.faults import FaultPlan
from services.tts.deadline import Punctual
from services.tts.engine import Engine
from services.tts.library import Library
from services.tts.phrases import Phrases
from services.tts.settings import SCOPE, TtsSettings
from services.tts.text import speakable
from services.tts.worker import speak
from voicebus import settings
from voicebus.bus.client import Bus
from voicebus.errors import ConfigError
from voicebus.lately import Lately
from voicebus.models import ModelStore, default_folder
from voicebus.process import run, serve_role
from voicebus.role import Role


def build_engine(chosen: TtsSettings, store: ModelStore, library: Library) -> Engine:
    """Return the engine that the settings name.

    Args:
        chosen: The settings.
        store: Where models are.
        library: The voices that were made of samples, for engines that have such.

    Raises:
        ModelError: A voice is not in the store.
        ConfigError: The engine is not installed, or its licence was not accepted.
    """
    match chosen.engine:
        case "piper":
            from services.tts.engines.piper import (  # noqa: PLC0415
                PiperEngine,
                PiperSettings,
                PiperVoiceSettings,
            )

            voices = tuple(
                PiperVoiceSettings(offer=offer, folder=store.path(f"piper-{offer.model}"))
                for offer in chosen.offers()
            )
            return PiperEngine(
                PiperSettings(
                    voices=voices, threads=chosen.threads, limit_bytes=chosen.voices_bytes
                )
            )
        case "xtts":
            return _xtts(chosen, library)
        case "synthetic":
            from services.tts.engines.synthetic import (  # noqa: PLC0415
                SyntheticEngine,
                SyntheticSettings,
            )

            return SyntheticEngine(
                SyntheticSettings(
                    ttfa_ms=chosen.synthetic_ttfa_ms,
                    piece_ms=chosen.synthetic_piece_ms,
                    pace=chosen.synthetic_pace,
                    fault=FaultPlan(
                        fault=chosen.synthetic_fault,
                        after=chosen.synthetic_fault_after,
                        text=chosen.synthetic_fault_text,
                    ),
                )
            )


def _xtts(chosen: TtsSettings, library: Library) -> Engine:
    if not chosen.xtts_model:
        raise ConfigError("VOICEBUS_TTS_XTTS_MODEL names no folder with an XTTS model")
    if chosen.xtts_licence != "CPML":
        raise ConfigError(
            "the weights of XTTS are under the Coqui Public Model License, which allows no "
            "commercial use (https://coqui.ai/cpml): VOICEBUS_TTS_XTTS_LICENCE=CPML accepts it"
        )
    try:
        from services.tts.engines.xtts import XttsEngine, XttsSettings  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"XTTS is not installed here ({err.name} is missing): see docs/howto/voices.md"
        ) from err
    settings = XttsSettings(
        folder=Path(chosen.xtts_model).expanduser(),
        device=chosen.xtts_device,
        threads=chosen.threads,
        offers=chosen.offers(),
        piece_s=chosen.piece_s,
    )
    return XttsEngine(settings, lambda: library.voices)


async def warm(engine: Engine) -> None:
    """Load the rules of the languages' numbers, and the voices."""
    for language in ("en", "ru"):
        speakable("1", language)
    await engine.warm()


async def main(stop: asyncio.Event) -> None:
    """Speak turns until ``stop``."""
    chosen = settings.read(TtsSettings, os.environ, SCOPE)
    library, store = Library(), ModelStore(default_folder(os.environ))
    built = build_engine(chosen, store, library)
    # XTTS speaks one text at a time, and knows when the time of one begins.
    engine: Engine = built if chosen.engine == "xtts" else Punctual(built, chosen.piece_s)
    phrases = Phrases(chosen.phrase_chars, chosen.phrase_memory_bytes)
    firsts = Lately()

    async def learn(bus: Bus) -> None:
        phrases.follow(bus)
        if chosen.engine == "xtts":
            await library.follow(bus)

    role = Role(
        name="tts",
        slots=chosen.slots,
        engine=f"{engine.name} {' '.join(engine.voices)}",
        answers_ms=firsts.quantiles,
        models=lambda: (engine.name,),
        voices=lambda: engine.voices,
        joined=learn,
        stuck=engine.stuck,
    )
    try:
        work = partial(speak, engine=engine, phrases=phrases, firsts=firsts)
        await serve_role(role, work, partial(warm, engine), stop)
    finally:
        await phrases.close()
        await library.close()
        await engine.close()


if __name__ == "__main__":
    sys.exit(run("tts", main))
