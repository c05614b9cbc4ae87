"""How soon a sentence is heard over /tts/stream: real engine, over HTTP and over a WebSocket."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

import httpx2
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.systems import base_environment, starter
from benchmarks.telephony_figures import SpeechRow
from voicebus import parts
from voicebus.audio.loudness import first_audible_sample
from voicebus.audio.pcm import samples_of
from voicebus.errors import EngineError
from voicebus.settings import PREFIX
from voicebus.supervisor import UpSettings

SENTENCES: Final = (
    "The yellow bicycle in the garden belongs to my grandmother.",
    "Please bring seven wooden chairs into the kitchen by noon.",
    "Our train to the mountains will leave shortly before seven.",
    "Nobody expected so much snow in the middle of this August.",
)
"""Of sixty characters, give or take two."""

RATE_HZ: Final = 24_000
_WARM: Final = 2


async def measure_speech(folder: Path, texts: int) -> list[SpeechRow]:
    """Speak texts over both ways in turn, one after the other; return a row for each.

    Args:
        folder: For data and logs.
        texts: How many over each way.
    """
    async with starter(folder) as started:
        up = UpSettings(data_dir=str(folder), nats_port=parts.free_port())
        nats = parts.nats_part(up, base_environment())
        await started.start(nats)
        given = parts.environment(
            {
                **base_environment(),
                f"{PREFIX}NATS_URL": nats.shown_url,
                f"{PREFIX}EDGE_NEEDS": "tts",
            }
        )
        edge = parts.edge_part(parts.free_port(), given)
        await started.start(parts.worker_part("tts", given), edge)
        rows: list[SpeechRow] = []
        url = edge.shown_url.replace("http://", "ws://", 1) + "/tts/stream"
        async with (
            httpx2.AsyncClient(base_url=edge.shown_url, trust_env=False, timeout=60) as http,
            connect(url, proxy=None, compression=None) as socket,
        ):
            for number in range(texts + _WARM):
                text = SENTENCES[number % len(SENTENCES)]
                both = [await _over_http(http, text), await _over_socket(socket, text)]
                rows += both if number >= _WARM else []
        return rows


async def _over_http(http: httpx2.AsyncClient, text: str) -> SpeechRow:
    begun_s, first_s = time.perf_counter(), 0.0
    audio = b""
    asked = {"text": text, "sample_rate": RATE_HZ}
    async with http.stream("POST", "/tts/stream", json=asked) as answer:
        async for piece in answer.aiter_raw():
            first_s = first_s or time.perf_counter()
            audio += piece
    return _row("http", begun_s, first_s, audio)


async def _over_socket(socket: ClientConnection, text: str) -> SpeechRow:
    begun_s, first_s = time.perf_counter(), 0.0
    audio = b""
    await socket.send(json.dumps({"type": "text", "text": text}))
    await socket.send('{"type": "end"}')
    async for data in socket:
        if isinstance(data, bytes):
            first_s = first_s or time.perf_counter()
            audio += data
        elif json.loads(data)["type"] in ("done", "error"):
            break
    return _row("ws", begun_s, first_s, audio)


def _row(over: str, begun_s: float, first_s: float, audio: bytes) -> SpeechRow:
    samples = samples_of(audio)
    audible = first_audible_sample(samples, RATE_HZ)
    if audible is None or not np.any(samples):
        raise EngineError(f"nothing was heard over {over}")
    first_ms = (first_s - begun_s) * 1000
    return SpeechRow(
        over=over,
        ttfa_ms=round(first_ms + audible * 1000 / RATE_HZ, 3),
        first_ms=round(first_ms, 3),
        seconds=len(samples) / RATE_HZ,
    )
