"""Callers for a while: they speak, are answered, interrupt, and hang up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.caller import call

_SAMPLES: Final = ("austen-amiable.wav", "austen-leisure.wav")


async def talk(url: str, callers: int, seconds: float) -> int:
    """Keep callers talking, each in session after session; return how many turns were answered.

    Args:
        url: Of ``/ws``.
        callers: At once.
        seconds: For how long a new turn is begun.
    """
    folder: Path = parts.project_root() / "examples" / "samples"
    recordings = [read_wav(folder / name)[1] for name in _SAMPLES]
    end_s = time.monotonic() + seconds

    async def one(number: int) -> int:
        answered = 0
        while time.monotonic() < end_s:
            async with call(url) as caller:
                for recording in recordings[number % 2 :]:
                    heard = await caller.speak(recording)
                    answered += bool(heard.reply)
        return answered

    return sum(await asyncio.gather(*[one(number) for number in range(callers)]))
