"""How many callers are answered in time by so many workers of each stage: closed-loop callers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.recordings import Recording
from benchmarks.systems import socket_url, starter
from voicebus import parts
from voicebus.caller import RATE_HZ, call
from voicebus.errors import VoicebusError
from voicebus.settings import PREFIX
from voicebus.supervisor import Part, UpSettings

PACED: Final[Mapping[str, str]] = {
    # A model that takes half a second for a reply, and does one at a time: the narrowest stage.
    f"{PREFIX}LLM_SYNTHETIC_TTFT_MS": "250",
    f"{PREFIX}LLM_SYNTHETIC_TOKENS_PER_S": "64",
    f"{PREFIX}LLM_SLOTS": "1",
    f"{PREFIX}TTS_SLOTS": "2",
    f"{PREFIX}STT_SYNTHETIC_MS": "20",
}
"""Time passes in the engines, and no processor does anything meanwhile."""

FIRST_SHARE: Final = 0.6
"""Of the callers that as many workers should carry, this part comes first."""

_STEP_SHARE: Final = 0.1
_WARM_SHARE: Final = 0.35
"""Turns of this first part of the time are not counted: the queue has not its length yet."""


class LoadRow(Struct, frozen=True, kw_only=True):
    """One size of load.

    Fields
        workers: Of each stage.
        callers: At once; each speaks again as soon as it was answered.
        turns: How many were answered.
        turns_per_s: The same, by the time.
        response_p50_ms: From the last word to the first sound, half of them.
        response_p95_ms: The same, 95 of 100.
        errors: Turns that were not answered, by what was said.
    """

    workers: int
    callers: int
    turns: int
    turns_per_s: float
    response_p50_ms: float
    response_p95_ms: float
    errors: Sequence[str] = ()


class Load(Struct, frozen=True, kw_only=True):
    """What callers do, and for how long.

    Fields
        spoken: What they say.
        limit_ms: They are answered in time when 95 of 100 answers come within this.
        seconds: How long each number of callers is measured.
        on_row: Told each measurement.
    """

    spoken: Recording
    limit_ms: float
    seconds: float
    on_row: Callable[[LoadRow], None]


async def measure_workers(
    folder: Path, environ: Mapping[str, str], workers: int, load: Load, expected: float
) -> list[LoadRow]:
    """Load a system with ever more callers, until they are not answered in time.

    Args:
        folder: For data and logs.
        environ: Settings of all parts.
        workers: How many there are of each stage.
        load: What the callers do.
        expected: How many callers these workers should carry; 0 if nobody knows.
    """
    rows: list[LoadRow] = []
    async with starter(folder) as started:
        nats = parts.nats_part(
            UpSettings(data_dir=str(folder), nats_port=parts.free_port()), environ
        )
        await started.start(nats)
        given = parts.environment({**environ, f"{PREFIX}NATS_URL": nats.shown_url})
        edge = parts.edge_part(parts.free_port(), given)
        # One after the other: what is measured is not how they start.
        for number in range(workers):
            await started.start(*(_numbered(role, number, given) for role in parts.ROLES))
        await started.start(edge)
        url = socket_url(edge)
        await _callers(url, load.spoken, workers, 1, 4.0)
        callers = max(1, round(expected * FIRST_SHARE))
        while True:
            rows.append(await _callers(url, load.spoken, workers, callers, load.seconds))
            load.on_row(rows[-1])
            if rows[-1].errors or rows[-1].response_p95_ms > load.limit_ms:
                return rows
            callers += max(1, round(expected * _STEP_SHARE))


def _numbered(role: str, number: int, environ: Mapping[str, str]) -> Part:
    worker = parts.worker_part(role, environ)
    name = f"{role}-{number}"
    return Part(
        name=name,
        argv=worker.argv,
        environment={**worker.environment, f"{PREFIX}WORKER_ID": name},
        ready_url=worker.ready_url,
    )


async def _callers(
    url: str, spoken: Recording, workers: int, callers: int, seconds: float
) -> LoadRow:
    begun_s = time.perf_counter()
    until_s = begun_s + seconds
    counted_s = begun_s + seconds * _WARM_SHARE
    responses_ms: list[float] = []
    errors: list[str] = []

    async def one(index: int) -> None:
        # People do not all begin at once.
        await asyncio.sleep(index / callers * len(spoken.samples) / RATE_HZ)
        try:
            async with call(url) as caller:
                while time.perf_counter() < until_s:
                    heard = await caller.speak(spoken.samples)
                    if heard.errors or heard.response_ms is None:
                        errors.append(str(heard.errors[0]) if heard.errors else "no answer")
                    elif time.perf_counter() > counted_s:
                        responses_ms.append(heard.response_ms)
        except VoicebusError as err:
            errors.append(str(err))

    await asyncio.gather(*(one(index) for index in range(callers)))
    took_s = time.perf_counter() - counted_s
    return LoadRow(
        workers=workers,
        callers=callers,
        turns=len(responses_ms),
        turns_per_s=len(responses_ms) / took_s,
        response_p50_ms=stats.percentile(responses_ms, 50) if responses_ms else 0.0,
        response_p95_ms=stats.percentile(responses_ms, 95) if responses_ms else 0.0,
        errors=tuple(errors),
    )
