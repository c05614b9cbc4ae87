"""What a worker offers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct

from voicebus.bus.client import Bus
from voicebus.engine_thread import Hang


async def nothing_to_learn(_: Bus) -> None:
    """Most workers know all they need when their engine is warm."""


class Role(Struct, frozen=True, kw_only=True):
    """What a worker offers.

    Fields
        name: ``stt``, ``turn``, ``llm`` or ``tts``.
        slots: How many claims it holds at once.
        engine: What it runs, for people.
        worker: Name of the process on the bus.
        metrics_url: Where its metrics are.
        answers_ms: Median and 99th percentile of what callers waited for lately, as of now: a final
            of STT, the first token of LLM, the first sound of TTS.
        models: The models that it serves, as of now: an engine may learn them when it is warmed.
        voices: TTS only: the voices that it has, as of now.
        servers: Tool only: the servers whose functions it calls.
        joined: Called with the connection once there is one; the first claim waits for its return.
        stuck: Returns the engine's call that has lasted too long since a time
            (:func:`time.monotonic`), if there is one: see :mod:`voicebus.engine_thread`. Its owners
            are sessions.
    """

    name: str
    slots: int
    engine: str
    worker: str = ""
    metrics_url: str = ""
    answers_ms: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)
    models: Callable[[], tuple[str, ...]] = tuple
    voices: Callable[[], tuple[str, ...]] = tuple
    servers: tuple[str, ...] = ()
    joined: Callable[[Bus], Coroutine[Any, Any, None]] = nothing_to_learn
    stuck: Callable[[float], Hang | None] = lambda _: None
