"""Callers who hold scripted dialogues with a system, in full duplex and in real time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from msgspec import Struct

from benchmarks.caller_script import FRAME_S, CallerScript, Said
from benchmarks.hearing import Hearing
from benchmarks.lines import Line
from benchmarks.moves import Dialogue
from voicebus.errors import BusUnavailable

LONGEST_DIALOGUE_S: Final = 180.0


class Account(Struct):
    """What happened in one dialogue.

    Fields
        dialogue: What was to be said.
        said: What was said, with the times at which it was sent.
        hearing: What was heard.
        lags_ms: How late each frame left.
        error: Why it ended early; empty if it did not.
    """

    dialogue: Dialogue
    said: list[Said]
    hearing: Hearing
    lags_ms: list[float]
    error: str = ""


async def hold(dialogue: Dialogue, line: Line) -> Account:
    """Hold a dialogue over an open line, to its end."""
    hearing = Hearing()
    script = CallerScript(dialogue, hearing)
    account = Account(dialogue, script.said, hearing, [])
    try:
        async with asyncio.timeout(LONGEST_DIALOGUE_S), asyncio.TaskGroup() as group:
            ears = group.create_task(_hear(line, hearing))
            await _speak(line, script, account)
            ears.cancel()
    except* BusUnavailable as err:
        account.error = str(err.exceptions[0])
    except* TimeoutError:
        account.error = f"it took more than {LONGEST_DIALOGUE_S:.0f} s"
    return account


async def _hear(line: Line, hearing: Hearing) -> None:
    while True:
        message, at_s = await line.receive()
        for answer in hearing.take(message, at_s):
            await line.send(answer)


async def _speak(line: Line, script: CallerScript, account: Account) -> None:
    """Send a frame every 20 ms by an absolute schedule, and report the playback."""
    due_s = time.perf_counter()
    while True:
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        now_s = time.perf_counter()
        frame = script.frame(now_s)
        if frame is None:
            return
        await line.send_audio(frame.astype("<i2").tobytes())
        account.lags_ms.append(1000 * (now_s - due_s))
        for report in account.hearing.reports(time.perf_counter()):
            await line.send(report)
        due_s += FRAME_S
