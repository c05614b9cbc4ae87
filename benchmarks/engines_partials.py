"""How far partials are behind a speaker: a real worker on a real bus, heard as an edge hears it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.engines_figures import PartialRow, WordRow, words_shown
from benchmarks.recordings import Recording
from benchmarks.systems import base_environment, starter
from schemas.audio import CALLER_RATE_HZ
from schemas.failure import Failure
from schemas.settings import SessionSettings
from schemas.stt import AudioConsumed, TranscribeRequest, TranscriptFinal, TranscriptPartial
from subjects.tokens import new_token
from voicebus import parts
from voicebus.bus.client import connect
from voicebus.errors import EngineError, EngineTimeout
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.settings import PREFIX, BusSettings
from voicebus.supervisor import UpSettings

_KIND: Final = "bench"
_FRAME_SAMPLES: Final = CALLER_RATE_HZ // 50
_LIMIT_S: Final = 60.0
_MOST_SESSIONS: Final = 64

Row = PartialRow | WordRow


@asynccontextmanager
async def worker_of(told: Mapping[str, str]) -> AsyncIterator[Sessions]:
    """Run a bus and a recognising worker; yield what opens sessions there.

    Args:
        told: The worker's settings, without ``VOICEBUS_STT_``.
    """
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        folder = Path(name)
        async with starter(folder) as started:
            up = UpSettings(data_dir=str(folder), nats_port=parts.free_port())
            environ = base_environment()
            nats = parts.nats_part(up, environ)
            await started.start(nats)
            own = {f"{PREFIX}STT_{field}": value for field, value in told.items()}
            given = parts.environment({**environ, **own, f"{PREFIX}NATS_URL": nats.shown_url})
            await started.start(parts.worker_part("stt", given))
            bus = await connect(BusSettings(nats_url=nats.shown_url), _KIND)
            sessions = Sessions(bus, new_token("e"), _KIND, _MOST_SESSIONS)
            serving = asyncio.create_task(sessions.run())
            try:
                yield sessions
            finally:
                serving.cancel()
                await asyncio.wait((serving,))
                await bus.close()


async def heard(sessions: Sessions, one: Recording, settings: SessionSettings) -> list[Row]:
    """Speak a recording at the pace of speech; return each partial, and when each word was shown.

    Raises:
        EngineError: It was not recognised.
    """
    request = TranscribeRequest(settings=settings)
    async with sessions.open(_KIND, roles=("stt",)) as session:
        begun_s = time.perf_counter()
        speaking = asyncio.create_task(_speak(session, one, request, begun_s))
        try:
            async with asyncio.timeout(len(one.samples) / CALLER_RATE_HZ + _LIMIT_S):
                return await _listen(session, one.name, begun_s)
        except TimeoutError as err:
            raise EngineTimeout(f"{one.name} was not recognised in time") from err
        finally:
            speaking.cancel()
            await asyncio.wait((speaking,))


async def _speak(
    session: Session, one: Recording, request: TranscribeRequest, begun_s: float
) -> None:
    """Send each frame when its last sample was spoken."""
    samples = one.samples.astype("<i2")
    for begin in range(0, len(samples), _FRAME_SAMPLES):
        frame = samples[begin : begin + _FRAME_SAMPLES]
        due_s = begun_s + (begin + len(frame)) / CALLER_RATE_HZ
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        await session.send_audio(frame.tobytes(), request)
    await session.end_audio()


async def _listen(session: Session, name: str, begun_s: float) -> list[Row]:
    rows: list[PartialRow] = []
    words: list[WordRow] = []
    async for _, event in session.inbox:
        at_ms = (time.perf_counter() - begun_s) * 1000
        match event:
            case TranscriptPartial():
                lag_ms = round(at_ms - event.end_ms, 3)
                rows.append(
                    PartialRow(
                        recording=name,
                        utterance=event.utterance,
                        end_ms=event.end_ms,
                        lag_ms=lag_ms,
                        text=event.text,
                    )
                )
            case TranscriptFinal():
                words += words_shown(_of(rows, event.utterance), event.words)
            case Failure():
                raise EngineError(f"{name}: {event.message}")
            case AudioConsumed():
                break
    return [*rows, *words]


def _of(rows: Sequence[PartialRow], utterance: int) -> list[PartialRow]:
    return [row for row in rows if row.utterance == utterance]
