"""The floor: the same engines, workers and edge in one process, without a bus.

``python -m benchmarks.floor``; an edge's settings say where it listens.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from benchmarks.direct import Direct, as_bus
from edge import settings as edge_settings
from edge.access import Door
from edge.app import create_app
from edge.call import KIND
from edge.keys import Keys
from edge.server import options
from services.llm import settings as llm_settings
from services.llm.building import build
from services.llm.worker import answer
from services.stt import __main__ as stt
from services.stt import settings as stt_settings
from services.stt.worker import transcribe
from services.tts import __main__ as tts
from services.tts import settings as tts_settings
from services.tts.library import Library
from services.tts.worker import speak
from services.turn import settings as turn_settings
from services.turn.admission import Links
from services.turn.worker import converse
from subjects.tokens import new_token
from voicebus import health, settings
from voicebus.models import ModelStore, default_folder
from voicebus.process import run
from voicebus.sessions.sessions import Sessions


async def main(stop: asyncio.Event) -> None:
    """Serve callers until ``stop``."""
    chosen = settings.read(edge_settings.EdgeSettings, os.environ, edge_settings.SCOPE)
    listening = settings.read(stt_settings.SttSettings, os.environ, stt_settings.SCOPE)
    writing = settings.read(llm_settings.LlmSettings, os.environ, llm_settings.SCOPE)
    speaking = settings.read(tts_settings.TtsSettings, os.environ, tts_settings.SCOPE)
    leading = settings.read(turn_settings.TurnSettings, os.environ, turn_settings.SCOPE)
    store = ModelStore(default_folder(os.environ))
    ears = stt.build_ears(listening, store)
    model = build(writing)
    voice = tts.build_engine(speaking, store, Library())
    work = {
        "stt": partial(transcribe, ears=ears),
        "turn": partial(converse, settings=leading, links=Links()),
        "llm": partial(answer, providers=model),
        "tts": partial(speak, engine=voice),
    }
    state = {"engines": False}
    try:
        async with asyncio.TaskGroup() as group:
            sessions = Sessions(
                as_bus(Direct(group, work)), new_token("e"), KIND, chosen.max_sessions
            )
            hearing = group.create_task(sessions.run())
            app = create_app(sessions, chosen, Door(chosen, Keys(None)), lambda: state)
            async with health.serve(app, health.bind(chosen.host, chosen.port), **options(chosen)):
                await asyncio.gather(ears.start(), model.warm(), voice.warm())
                state["engines"] = True
                await stop.wait()
                sessions.drain()
            hearing.cancel()
    finally:
        await ears.close()
        await model.close()
        await voice.close()


if __name__ == "__main__":
    sys.exit(run("floor", main))
