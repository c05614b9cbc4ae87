"""A long file on one worker and on two, and what being cut into passages does to its words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import openai

from benchmarks.openai_direct import LANGUAGE, Direct
from benchmarks.openai_edge import Samples, client, transcribed
from benchmarks.openai_figures import DIRECT, Row
from benchmarks.openai_fleet import start_fleet
from benchmarks.stt_manifest import errors
from benchmarks.systems import SYNTHETIC, starter
from voicebus.caller import RATE_HZ
from voicebus.errors import VoicebusError
from voicebus.settings import PREFIX


async def measure_long(
    folder: Path, environ: Mapping[str, str], recording: Samples, rtf: float, workers: int
) -> Row:
    """Have a recording transcribed by so many workers, whose recognisers take a known time.

    Args:
        folder: For data and logs.
        environ: Settings of all parts.
        recording: Mono at 16 kHz.
        rtf: Time that recognition takes, as a part of the audio's length.
        workers: How many.
    """
    paced = {f"{PREFIX}STT_SYNTHETIC_MS": "0", f"{PREFIX}STT_SYNTHETIC_RTF": str(rtf)}
    async with starter(folder) as started:
        given = {**environ, **SYNTHETIC, **paced}
        fleet = await start_fleet(started, given, {"stt": workers})
        async with client(f"{fleet.url}/v1") as sdk:
            return await _row(sdk, recording, workers)


async def _row(sdk: openai.AsyncOpenAI, recording: Samples, workers: int) -> Row:
    asked = Row(kind="long", variant=str(workers), seconds=len(recording) / RATE_HZ)
    begun_s = time.perf_counter()
    try:
        text = await transcribed(sdk, recording)
    except (openai.OpenAIError, VoicebusError) as err:
        return msgspec.structs.replace(asked, error=f"{type(err).__name__}: {err}")
    took_ms = (time.perf_counter() - begun_s) * 1000
    return msgspec.structs.replace(asked, time_ms=took_ms, text=text)


async def measure_passages(
    sdk: openai.AsyncOpenAI, direct: Direct, recording: Samples, said: str
) -> list[Row]:
    """Recognise a recording in passages through the API, and in one pass by the engine alone."""
    rows = []
    for variant in ("edge", DIRECT):
        begun_s = time.perf_counter()
        if variant == DIRECT:
            text = await direct.transcribed_long(recording)
        else:
            text = await transcribed(sdk, recording, LANGUAGE)
        took_ms = (time.perf_counter() - begun_s) * 1000
        wrong, words = errors(said, text)
        rows.append(
            Row(
                kind="passages",
                variant=variant,
                time_ms=took_ms,
                seconds=len(recording) / RATE_HZ,
                text=text,
                errors=wrong,
                words=words,
            )
        )
    return rows
