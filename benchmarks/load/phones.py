"""Callers by telephone, in a process of their own: each hears a long greeting, and hisses.

``python -m benchmarks.load.phones URL CALLS SECONDS`` writes a line of JSON once all are greeted,
and at the end one line for each call: when each frame of audio came, counted from its first, how
much of it was audible, and why it ended early.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import sys
import time
from typing import Any, Final

import numpy as np
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from voicebus.audio import g711
from voicebus.audio.loudness import AUDIBLE_DBFS, dbfs
from voicebus.punctual import punctual

FRAME_MS: Final = 20
_FRAME: Final = 160
_SPREAD_S: Final = 0.02
_NOISE_PEAK: Final = 40


class Phone:
    """One call through Twilio's protocol, which costs an edge the most."""

    def __init__(self) -> None:
        self.at_ms: list[float] = []
        self.audio: list[bytes] = []
        self.error = ""
        self.late_ms = 0.0
        self.greeted = asyncio.Event()

    async def call(self, url: str, delay_s: float, over: asyncio.Event) -> None:
        """Call, and stay until it is over."""
        await asyncio.sleep(delay_s)
        try:
            async with connect(url, proxy=None, compression=None) as socket:
                await self._begin(socket)
                sending = asyncio.create_task(self._hiss(socket))
                listening = asyncio.create_task(self._listen(socket))
                ending = asyncio.create_task(over.wait())
                await asyncio.wait((listening, ending), return_when=asyncio.FIRST_COMPLETED)
                if not over.is_set():
                    self.error = f"closed: {socket.close_code} {socket.close_reason}"
                for task in (sending, listening, ending):
                    task.cancel()
                await asyncio.wait((sending, listening, ending))
        except (OSError, WebSocketException) as err:
            self.error = f"{type(err).__name__}: {err}"
        self.greeted.set()

    def told(self) -> dict[str, Any]:
        """Return what is to be known of it."""
        first_ms = self.at_ms[0] if self.at_ms else 0.0
        heard = [dbfs(g711.decode(frame, g711.Law.MU)) for frame in self.audio]
        return {
            "at_ms": [round(at_ms - first_ms, 3) for at_ms in self.at_ms],
            "audible": sum(level > AUDIBLE_DBFS for level in heard),
            "late_ms": round(self.late_ms, 3),
            "error": self.error,
        }

    async def _begin(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0"}))
        shape = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {"callSid": "CA1", "tracks": ["inbound"], "mediaFormat": shape}
        await socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))

    async def _hiss(self, socket: ClientConnection) -> None:
        noise = np.random.default_rng(1).integers(-_NOISE_PEAK, _NOISE_PEAK, _FRAME)
        payload = base64.b64encode(g711.encode(noise.astype(np.int16), g711.Law.MU)).decode()
        begun_s, number = time.perf_counter(), 0
        while True:
            due_s = begun_s + number * FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            self.late_ms = max(self.late_ms, (time.perf_counter() - due_s) * 1000)
            number += 1
            media = (
                f'{{"track":"inbound","chunk":"{number}","timestamp":"{20 * number}",'
                f'"payload":"{payload}"}}'
            )
            await socket.send(f'{{"event":"media","streamSid":"MZ1","media":{media}}}')

    async def _listen(self, socket: ClientConnection) -> None:
        async for data in socket:
            now_ms = time.perf_counter() * 1000
            assert isinstance(data, str)
            if '"media"' not in data[:40]:
                await self._answer(socket, data)
                continue
            self.at_ms.append(now_ms)
            self.audio.append(base64.b64decode(json.loads(data)["media"]["payload"]))
            self.greeted.set()

    async def _answer(self, socket: ClientConnection, data: str) -> None:
        if json.loads(data)["event"] == "mark":
            await socket.send(data)


async def _run(url: str, calls: int, seconds: float) -> None:
    phones = [Phone() for _ in range(calls)]
    over = asyncio.Event()
    tasks = [
        asyncio.create_task(phone.call(url, number * _SPREAD_S, over))
        for number, phone in enumerate(phones)
    ]
    async with asyncio.timeout(60):
        for phone in phones:
            await phone.greeted.wait()
    print(json.dumps({"greeted": sum(bool(phone.at_ms) for phone in phones)}), flush=True)
    await asyncio.sleep(seconds)
    over.set()
    await asyncio.gather(*tasks)
    for phone in phones:
        print(json.dumps(phone.told()), flush=True)


if __name__ == "__main__":
    gc.freeze()  # a caller is no later than it has to be
    with punctual():
        uvloop.run(_run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
