"""How soon a phrase that is kept is on the bus: a real worker, asked as an edge asks it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.faq_figures import PhraseRow
from schemas.claim import Claimed
from schemas.failure import Failure
from schemas.tts import ReplyChunk, SpeakRequest, SpeechDone
from subjects.tokens import new_token
from voicebus.bus.client import connect
from voicebus.errors import EngineError, EngineTimeout
from voicebus.sessions.sessions import Sessions
from voicebus.settings import BusSettings

_KIND: Final = "bench"
_LIMIT_S: Final = 30.0
_KEPT_S: Final = 0.5


async def phrases_in(nats_url: str, phrases: Sequence[str], count: int) -> list[PhraseRow]:
    """Ask for phrases, again and again, each time in a session of its own; return a row for each.

    Raises:
        EngineError: One was not spoken.
    """
    bus = await connect(BusSettings(nats_url=nats_url), "bench")
    sessions = Sessions(bus, new_token("e"), _KIND, 10)
    serving = asyncio.create_task(sessions.run())
    try:
        for phrase in (*phrases, *phrases):  # made, and made once more to be kept
            await _said(sessions, phrase)
        await asyncio.sleep(_KEPT_S)
        return [await _said(sessions, phrases[n % len(phrases)]) for n in range(count)]
    finally:
        serving.cancel()
        await asyncio.wait((serving,))
        await bus.close()


async def _said(sessions: Sessions, phrase: str) -> PhraseRow:
    async with sessions.open(_KIND, roles=("tts",)) as session:
        begun_s = time.perf_counter()
        claimed_s = first_s = 0.0
        await session.ask(SpeakRequest(text=phrase, common=True, turn=1))
        try:
            async with asyncio.timeout(_LIMIT_S):
                async for _, event in session.inbox:
                    at_s = time.perf_counter()
                    match event:
                        case Claimed():
                            claimed_s = claimed_s or at_s
                        case ReplyChunk():
                            first_s = first_s or at_s
                        case Failure():
                            raise EngineError(f"{phrase!r} was not spoken: {event.message}")
                        case SpeechDone():
                            break
        except TimeoutError as err:
            raise EngineTimeout(f"{phrase!r} had no end") from err
    if not first_s or not claimed_s:
        raise EngineError(f"{phrase!r} was not heard")
    return PhraseRow(
        claimed_ms=round((first_s - claimed_s) * 1000, 3),
        asked_ms=round((first_s - begun_s) * 1000, 3),
    )
