"""Utterances recognised by us and by the library as it is, by turns, in one process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import numpy as np

from benchmarks.stt_figures import DEFAULT, OURS, PACED, Row
from benchmarks.stt_manifest import Spoken, errors
from schemas.event import Event
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest, TranscriptFinal
from services.stt.ears import Ears
from services.stt.engine import Hint
from services.stt.hallucination import gate
from services.stt.listener import Listener
from services.stt.outbox import Outbox
from services.stt.scheduler import Priority
from voicebus.caller import RATE_HZ
from voicebus.errors import EngineError

Recogniser = Callable[[Spoken], Awaitable[str]]

_FRAME_SAMPLES: Final = RATE_HZ // 50
_SILENCE_S: Final = 3.0
_LATEST_FINAL_S: Final = 10.0


def ours(ears: Ears) -> Recogniser:
    """Return our recogniser: the way of a final through the scheduler and the gate behind it."""

    async def recognise(spoken: Spoken) -> str:
        hint = Hint(language=spoken.language)
        timed = await ears.scheduler.recognise(spoken.samples, hint, Priority.FINAL, object())
        if ears.synthetic:
            return timed.recognition.text
        return gate(timed.recognition, round(spoken.seconds * 1000)).text

    return recognise


async def compare(
    utterances: Sequence[Spoken], ears: Ears, default: Recogniser | None, seed: int
) -> list[Row]:
    """Recognise each utterance by each variant, in an order by chance."""
    recognisers = dict.fromkeys(OURS, ours(ears))
    if default is not None:
        recognisers[DEFAULT] = default
    chance = random.Random(seed)
    rows: list[Row] = []
    for number, spoken in enumerate(utterances):
        for variant in chance.sample(list(recognisers), len(recognisers)):
            row = await _measured(variant, number, spoken, recognisers[variant])
            rows.append(row)
    return rows


async def together(
    groups: Iterable[Sequence[Spoken]], ears: Ears, default: Recogniser, seed: int
) -> list[Row]:
    """Recognise groups of utterances: all at once by us, one after the other by the library."""
    recognise = ours(ears)

    async def at_once(group: Sequence[Spoken]) -> None:
        await asyncio.gather(*(recognise(spoken) for spoken in group))

    async def in_turn(group: Sequence[Spoken]) -> None:
        for spoken in group:
            await default(spoken)

    chance = random.Random(seed)
    rows: list[Row] = []
    for number, group in enumerate(groups):
        variants = [("together", at_once), ("queue", in_turn)]
        for variant, run in chance.sample(variants, len(variants)):
            begun, cpu = time.perf_counter(), time.process_time()
            await run(group)
            rows.append(
                Row(
                    variant=variant,
                    round=number,
                    language=" ".join(sorted({spoken.language for spoken in group})),
                    file=" ".join(spoken.file for spoken in group),
                    seconds=sum(spoken.seconds for spoken in group),
                    time_ms=(time.perf_counter() - begun) * 1000,
                    cpu_ms=(time.process_time() - cpu) * 1000,
                )
            )
    return rows


async def paced(utterances: Sequence[Spoken], ears: Ears) -> list[Row]:
    """Let each utterance be heard at the pace of speech, as in a conversation."""
    return [await _heard(number, spoken, ears) for number, spoken in enumerate(utterances)]


async def _measured(variant: str, number: int, spoken: Spoken, recognise: Recogniser) -> Row:
    begun, cpu = time.perf_counter(), time.process_time()
    text = await recognise(spoken)
    took_s, used_s = time.perf_counter() - begun, time.process_time() - cpu
    return _row(variant, number, spoken, text, took_s * 1000, used_s * 1000)


def _row(
    variant: str, number: int, spoken: Spoken, text: str, time_ms: float, cpu_ms: float
) -> Row:
    wrong, words = errors(spoken.text, text)
    return Row(
        variant=variant,
        round=number,
        language=spoken.language or "detect",
        file=spoken.file,
        seconds=spoken.seconds,
        time_ms=time_ms,
        cpu_ms=cpu_ms,
        text=text,
        errors=wrong,
        words=words,
    )


async def _heard(number: int, spoken: Spoken, ears: Ears) -> Row:
    finals: list[tuple[TranscriptFinal, float]] = []
    failures: list[EngineError] = []

    async def emit(event: Event) -> None:
        if isinstance(event, TranscriptFinal):
            finals.append((event, time.perf_counter()))

    async def fail(error: EngineError, *_: object) -> None:
        failures.append(error)

    request = TranscribeRequest(settings=SessionSettings(language=spoken.language))
    quiet = np.zeros(round(_SILENCE_S * RATE_HZ), np.int16)
    pcm = np.concatenate([spoken.pcm, quiet])
    cpu = time.process_time()
    async with asyncio.TaskGroup() as group:
        listener = Listener(ears, group, Outbox(emit, fail), request=request)
        begun = time.perf_counter()
        for at in range(0, len(pcm), _FRAME_SAMPLES):
            due = begun + (at + _FRAME_SAMPLES) / RATE_HZ
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await listener.hear(pcm[at : at + _FRAME_SAMPLES].tobytes())
        async with asyncio.timeout(_LATEST_FINAL_S):
            await listener.finish()
    if failures:
        raise failures[0]
    waits = [at - begun - (final.end_ms + final.hold_ms) / 1000 for final, at in finals]
    text = " ".join(final.text for final, _ in finals if final.text)
    cpu_ms = (time.process_time() - cpu) * 1000
    return _row(PACED, number, spoken, text, max(waits, default=0.0) * 1000, cpu_ms)
