"""The API as its users call it: the official client, one request at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import numpy as np
import openai
from numpy.typing import NDArray

from voicebus.audio.loudness import first_audible_sample
from voicebus.audio.wav import wav_header
from voicebus.caller import RATE_HZ
from voicebus.errors import EngineError

SPOKEN_HZ: Final = 24_000
"""Rate of the API's bare samples."""

REPLY_TOKENS: Final = 16
_PATIENCE_S: Final = 3 * 3600.0

Samples = NDArray[np.int16]


class FirstSound:
    """Notes when the first audible sample came.

    Args:
        rate_hz: Rate of the samples.

    Attributes:
        heard_s: When that was; None as long as all was silent.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._held = np.empty(0, np.int16)
        self.heard_s: float | None = None

    def push(self, samples: Samples) -> None:
        """Take the next samples."""
        if self.heard_s is not None:
            return
        now_s = time.perf_counter()
        self._held = np.concatenate((self._held, samples))
        if first_audible_sample(self._held, self._rate_hz) is not None:
            self.heard_s = now_s

    def after_ms(self, begun_s: float) -> float:
        """Return how long it took.

        Raises:
            EngineError: Nothing was to be heard.
        """
        if self.heard_s is None:
            raise EngineError("nothing of it was audible")
        return (self.heard_s - begun_s) * 1000


@asynccontextmanager
async def client(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """Yield the official client for a server; each request has a connection of its own.

    llama.cpp closes connections behind a streamed reply, so nobody keeps any.
    """
    transport = openai.DefaultAsyncHttpxClient(
        limits=httpx2.Limits(max_keepalive_connections=0), trust_env=False, timeout=_PATIENCE_S
    )
    made = openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=transport, timeout=_PATIENCE_S
    )
    async with made:
        yield made


async def spoken(sdk: openai.AsyncOpenAI, text: str) -> float:
    """Have a text spoken to its end; return the time to its first audible sample in ms."""
    first, odd = FirstSound(SPOKEN_HZ), b""
    begun_s = time.perf_counter()
    async with sdk.audio.speech.with_streaming_response.create(
        input=text, model="tts-1", voice="alloy", response_format="pcm"
    ) as answer:
        async for data in answer.iter_bytes():
            whole = odd + data
            odd = whole[len(whole) // 2 * 2 :]
            first.push(np.frombuffer(whole[: len(whole) // 2 * 2], "<i2"))
    return first.after_ms(begun_s)


async def transcribed(sdk: openai.AsyncOpenAI, samples: Samples, language: str = "") -> str:
    """Return what is said in a recording."""
    file = wav(samples)
    asked: dict[str, Any] = {"language": language} if language else {}
    answer = await sdk.audio.transcriptions.create(
        file=("recording.wav", file), model="whisper-1", **asked
    )
    return str(answer.text)


async def answered(
    sdk: openai.AsyncOpenAI, model: str, prompt: str, extra: dict[str, Any] | None = None
) -> tuple[float, str]:
    """Ask a language model; return the time to the first token in ms, and the answer."""
    begun_s, first_s, text = time.perf_counter(), 0.0, ""
    stream = await sdk.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        max_tokens=REPLY_TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=extra,
    )
    async for chunk in stream:
        said = chunk.choices[0].delta.content if chunk.choices else ""
        if said:
            first_s = first_s or time.perf_counter()
            text += said
    if not first_s:
        raise EngineError("the language model said nothing")
    return (first_s - begun_s) * 1000, text


def wav(samples: Samples) -> bytes:
    """Return a file of samples at 16 kHz."""
    pcm = samples.astype("<i2").tobytes()
    return wav_header(RATE_HZ, len(pcm)) + pcm
