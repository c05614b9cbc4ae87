"""Turns spoken to several variants by turns, and what each turn gave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks.recordings import Recording
from voicebus.caller import call
from voicebus.errors import VoicebusError

LATEST_MS: Final = 5.0
"""A turn in which a frame left later than this was not spoken in real time."""

PAUSE_S: Final = 0.2
"""Between two turns: what the one before has set off is over by then."""

_WAIT_S: Final = 20.0


class Row(Struct, frozen=True, kw_only=True):
    """One turn.

    Fields
        engines: ``real`` or ``synthetic``.
        round: Turns of one round are compared with each other; all speak the same recording.
        place: Which one of its round it was, from 0.
        variant: ``system``, ``again`` (the same system once more), ``floor``, ``unrecorded``.
        recording: What was said.
        response_ms: From the last speech sample sent to the first audible sample received; None
            when there was no answer.
        stages: The same, divided as the server measured it.
        send_lag_ms_max: How late the latest frame left.
        transcript: What was understood.
        reply: What was answered.
        error: Why there was no answer.
    """

    engines: str
    round: int
    place: int
    variant: str
    recording: str
    response_ms: float | None
    stages: Mapping[str, float]
    send_lag_ms_max: float
    transcript: str
    reply: str
    error: str

    @property
    def late(self) -> bool:
        """Whether the caller spoke later than a person would have."""
        return self.send_lag_ms_max > LATEST_MS


class Round(Struct, frozen=True):
    """One recording, spoken once to every variant.

    Fields
        number: From 0.
        recording: Index of the recording.
        order: The variants, first to last.
    """

    number: int
    recording: int
    order: tuple[str, ...]


def plan(rounds: int, recordings: int, variants: Sequence[str], seed: int) -> tuple[Round, ...]:
    """Return the order of all turns: by chance within each round, the same for the same seed.

    Each round of two is followed by its mirror image (ABBA), so that what changes steadily with
    time falls on all variants alike.
    """
    chance = random.Random(seed)
    planned: list[Round] = []
    for number in range(rounds):
        if number % 2:
            order = planned[-1].order[::-1]
        else:
            order = tuple(chance.sample(list(variants), len(variants)))
        planned.append(Round(number, number // 2 % recordings, order))
    return tuple(planned)


async def speak_rounds(
    rounds: Sequence[Round],
    recordings: Sequence[Recording],
    urls: Mapping[str, str],
    engines: str,
    before: Callable[[], Awaitable[None]],
    on_round: Callable[[Round], None],
) -> list[Row]:
    """Speak all turns, one at a time.

    Args:
        rounds: The plan.
        recordings: What is said.
        urls: Where each variant listens.
        engines: For the rows.
        before: Awaited before each turn: brings what the variants share into the same state.
        on_round: Told of each finished round.
    """
    rows: list[Row] = []
    for planned in rounds:
        for place, variant in enumerate(planned.order):
            recording = recordings[planned.recording]
            await before()
            await asyncio.sleep(PAUSE_S)
            rows.append(
                await _turn(urls[variant], recording, engines, planned.number, place, variant)
            )
        on_round(planned)
    return rows


async def _turn(
    url: str, recording: Recording, engines: str, number: int, place: int, variant: str
) -> Row:
    """Speak one recording in a session of its own."""
    identity = {"engines": engines, "variant": variant, "recording": recording.name}
    try:
        async with call(url, wait_s=_WAIT_S) as caller:
            heard = await caller.speak(recording.samples)
    except VoicebusError as err:
        return Row(
            **identity,
            round=number,
            place=place,
            response_ms=None,
            stages={},
            send_lag_ms_max=0.0,
            transcript="",
            reply="",
            error=str(err),
        )
    error = heard.errors[0] if heard.errors else ""
    if not error and heard.turns != 1:
        error = f"it was heard as {heard.turns} turns"
    return Row(
        **identity,
        round=number,
        place=place,
        response_ms=None if error else heard.response_ms,
        stages={stage.name: stage.end_ms - stage.start_ms for stage in heard.server_stages},
        send_lag_ms_max=heard.send_lag_ms_max,
        transcript=heard.transcript,
        reply=heard.reply,
        error=error,
    )
