"""What the engine adds to the stream that XTTS itself makes, piece by piece."""

from __future__ import annotations

import asyncio
import time
import zlib
from pathlib import Path
from typing import Any, Final

from benchmarks.engines_figures import Piece
from services.tts.cloning import made, read_samples
from voicebus.voices import Offer

_TEXTS: Final = (
    "Hello there, how are you?",
    "The sea was calm, and nobody spoke for a while.",
    "It is a quarter past nine.",
)


async def overhead(folder: Path, sample: Path, rounds: int) -> tuple[list[Piece], list[str]]:
    """Return pieces of texts that both spoke, with the same noise, by turns; and what was unlike.

    Args:
        folder: The checkpoint.
        sample: WAV file of who speaks.
        rounds: How often each text is spoken.
    """
    # Where XTTS is not installed, the other figures are to be had all the same.
    from services.tts.engines.xtts import XttsEngine, XttsSettings  # noqa: PLC0415

    kept = await asyncio.to_thread(made, folder, read_samples([sample]))
    settings = XttsSettings(folder=folder, offers=(Offer("sample", "sample"),))
    engine = XttsEngine(settings, lambda: {"sample": kept})
    await engine.warm()
    pieces, unlike = list[Piece](), list[str]()
    try:
        for _ in range(rounds):
            for text in _TEXTS:
                library = await asyncio.to_thread(_library, engine, text)
                ours, last_s = list[float](), time.perf_counter()
                async for _piece in engine.synthesise(text, "sample", 1.0, "en"):
                    ours.append((time.perf_counter() - last_s) * 1000)
                    last_s = time.perf_counter()
                if len(library) != len(ours):
                    unlike.append(f"{len(library)} pieces of XTTS were {len(ours)} of the engine")
                    continue
                both = zip(library, ours, strict=True)
                pieces += [Piece(number, one, other) for number, (one, other) in enumerate(both)]
    finally:
        await engine.close()
    return pieces, unlike


def _library(engine: Any, text: str) -> list[float]:
    """Return how long the library takes for each piece, asked as its documentation does."""
    import torch  # noqa: PLC0415

    model, speaker = engine._model, engine._chosen("sample").speaker
    config = model._config
    torch.manual_seed(zlib.crc32(f"en {text}".encode()))
    latents, embedding = torch.from_numpy(speaker.latents), torch.from_numpy(speaker.embedding)
    took_ms, last_s = list[float](), time.perf_counter()
    with torch.inference_mode():
        for _ in model._model.inference_stream(
            text,
            "en",
            latents,
            embedding,
            temperature=config.temperature,
            length_penalty=config.length_penalty,
            repetition_penalty=config.repetition_penalty,
            top_k=config.top_k,
            top_p=config.top_p,
        ):
            took_ms.append((time.perf_counter() - last_s) * 1000)
            last_s = time.perf_counter()
    return took_ms
