"""The API against the engines behind it: the same things asked of both, by turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
import openai
from msgspec import Struct

from benchmarks.openai_direct import LANGUAGE, Direct
from benchmarks.openai_edge import answered, spoken, transcribed
from benchmarks.openai_figures import DIRECT, VARIANTS, Row
from benchmarks.prompts import Prompt
from benchmarks.turns import PAUSE_S, plan
from voicebus.caller import RATE_HZ
from voicebus.errors import VoicebusError

SENTENCES: Final = (
    "The kettle has just begun to sing.",
    "Our train leaves in a quarter of an hour.",
    "Please water the plants while we are away.",
    "Nobody has seen the key since yesterday.",
    "The library opens again on Monday morning.",
    "Your parcel is waiting at the front desk.",
    "It may well rain before the evening.",
    "Somebody has broken the lamp.",
)
"""What is spoken: sentences of one clause, so that there is one way to cut them."""

QUESTIONS: Final = (
    "Name three rivers that flow into the Black Sea.",
    "Why do the leaves of trees change their colour?",
    "How is butter made from the milk of cows?",
    "What should I pack for a week in the mountains?",
    "Who invented the printing press, and where?",
    "How long does it take to boil an egg?",
    "Which instruments play in a string quartet?",
    "What is the difference between a lake and a sea?",
)
"""What is asked. A pair of rounds has the same one, the next pair another."""


class Answer(Struct, frozen=True):
    """What an ask gave.

    Fields
        time_ms: How long it took.
        text: What was said, where there is a text.
    """

    time_ms: float
    text: str = ""


Ask = Callable[[int], Awaitable[Answer]]
"""Asks for one of several things, by its number."""


class Contest(Struct, frozen=True):
    """The same things asked of the API and of an engine.

    Fields
        kind: Names it.
        things: What is asked for.
        seconds: Length of each, if they are recordings.
        edge: Asks the API.
        direct: Asks the engine.
        before: Awaited before each request, so that both are found in the same state.
    """

    kind: str
    things: tuple[str, ...]
    seconds: tuple[float, ...]
    edge: Ask
    direct: Ask
    before: Callable[[], Awaitable[None]]


def contests(
    sdk: openai.AsyncOpenAI, direct: Direct, recordings: Sequence[Prompt]
) -> tuple[Contest, ...]:
    """Return what is compared: speech, transcription and chat."""

    async def speak(number: int) -> Answer:
        return Answer(await spoken(sdk, SENTENCES[number]))

    async def speak_here(number: int) -> Answer:
        return Answer(await direct.spoken(SENTENCES[number]))

    async def hear(number: int) -> Answer:
        return await _timed(transcribed(sdk, recordings[number].samples, LANGUAGE))

    async def hear_here(number: int) -> Answer:
        return await _timed(direct.transcribed(recordings[number].samples))

    async def chat(number: int) -> Answer:
        return Answer(*await answered(sdk, "gpt-4o-mini", QUESTIONS[number]))

    async def chat_here(number: int) -> Answer:
        return Answer(*await direct.answered(QUESTIONS[number]))

    names = tuple(recording.name for recording in recordings)
    seconds = tuple(len(recording.samples) / RATE_HZ for recording in recordings)
    return (
        Contest("speech", SENTENCES, (), speak, speak_here, _nothing),
        Contest("transcription", names, seconds, hear, hear_here, _nothing),
        # A short request of nobody's own: the server's one slot has forgotten the last question.
        Contest("chat", QUESTIONS, (), chat, chat_here, direct.writer.warm),
    )


async def compare(contest: Contest, rounds: int, seed: int) -> list[Row]:
    """Ask all variants for the same in each round, in an order by chance; return a row for each.

    Each round of two is followed by its mirror image. What comes before the first one is not
    counted.
    """
    for ask in (contest.edge, contest.direct):
        for number in range(len(contest.things)):
            await contest.before()
            await _row(contest, ask, number)
    rows: list[Row] = []
    for planned in plan(rounds, len(contest.things), VARIANTS, seed):
        for place, variant in enumerate(planned.order):
            await contest.before()
            await asyncio.sleep(PAUSE_S)
            ask = contest.direct if variant == DIRECT else contest.edge
            row = await _row(contest, ask, planned.recording)
            rows.append(
                msgspec.structs.replace(row, variant=variant, round=planned.number, place=place)
            )
    return rows


async def _row(contest: Contest, ask: Ask, number: int) -> Row:
    asked = Row(
        kind=contest.kind,
        what=contest.things[number],
        seconds=contest.seconds[number] if contest.seconds else 0.0,
    )
    try:
        answer = await ask(number)
    except (openai.OpenAIError, VoicebusError) as err:
        return msgspec.structs.replace(asked, error=f"{type(err).__name__}: {err}")
    return msgspec.structs.replace(asked, time_ms=answer.time_ms, text=answer.text)


async def _timed(asking: Awaitable[str]) -> Answer:
    begun_s = time.perf_counter()
    text = await asking
    return Answer((time.perf_counter() - begun_s) * 1000, text)


async def _nothing() -> None:
    """Nothing is shared."""
