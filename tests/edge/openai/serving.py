"""The API on a real socket and a real bus, with real workers of synthetic engines behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import msgspec
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from starlette.applications import Starlette

from edge.access import Door
from edge.app import create_app
from edge.keys import Keys
from edge.openai.app import routes
from edge.openai.endpoint import api_of
from edge.openai.settings import OpenAISettings
from edge.server import options
from edge.settings import EdgeSettings
from services.llm.engine import Engine as LlmEngine
from services.llm.engines.synthetic import SyntheticEngine as Writer
from services.llm.engines.synthetic import SyntheticSettings as WriterSettings
from services.llm.providers import alone
from services.llm.worker import answer
from services.stt.ears import Ears
from services.stt.worker import work as hear
from services.tts.engine import Engine as TtsEngine
from services.tts.engines.synthetic import SyntheticEngine as Speaker
from services.tts.engines.synthetic import SyntheticSettings as SpeakerSettings
from services.tts.worker import speak
from subjects.tokens import new_token
from tests.plain import PLAIN
from tests.workers import bus_in, worker_in
from voicebus import health
from voicebus.bus.client import Bus
from voicebus.fleet import Fleet
from voicebus.sessions.sessions import Sessions
from voicebus.worker import Role, Work

REPLY = "Hello there. This is a made-up reply."

_LISTEN_S = 0.1
"""Those who are there have been heard before a test asks; for others nobody has to wait long."""

LLM = Writer(WriterSettings(reply=REPLY, ttft_ms=1, tokens_per_s=500))
TTS = Speaker(SpeakerSettings(ttfa_ms=1, ms_per_char=10))


def llm(engine: LlmEngine = LLM) -> dict[str, tuple[Role, Work]]:
    """A worker that writes."""
    role = Role(
        name="llm", slots=8, engine="", worker=new_token("w"), models=lambda: (engine.model,)
    )
    return {"llm": (role, partial(answer, providers=alone(engine)))}


def tts(engine: TtsEngine = TTS) -> dict[str, tuple[Role, Work]]:
    """A worker that speaks."""
    role = Role(
        name="tts",
        slots=8,
        engine="",
        worker=new_token("w"),
        models=lambda: (engine.name,),
        voices=lambda: engine.voices,
    )
    return {"tts": (role, partial(speak, engine=engine))}


def stt(ears: Ears, worker: str = "") -> dict[str, tuple[Role, Work]]:
    """A worker that hears."""
    role = Role(
        name="stt",
        slots=8,
        engine="",
        worker=worker or new_token("w"),
        models=lambda: (ears.model,),
    )
    return {"stt": (role, partial(hear, ears=ears))}


@dataclass(frozen=True)
class Served:
    """An edge that serves /v1.

    Fields
        http: Speaks HTTP to it, with nothing in between.
        sdk: The official client, which does not try again.
        sessions: The edge's sessions.
        bus: A connection to its bus.
        edge: Its name.
        app: What it serves.
    """

    http: httpx2.AsyncClient
    sdk: AsyncOpenAI
    sessions: Sessions
    bus: Bus
    edge: str
    app: Starlette


@asynccontextmanager
async def api(
    url: str,
    workers: Mapping[str, tuple[Role, Work]] | None = None,
    settings: Mapping[str, Any] | None = None,
    keys: Keys | None = None,
    key: str = "any",
) -> AsyncIterator[Served]:
    """Serve the API in a cell of its own.

    Args:
        url: The bus.
        workers: Who is there; one that writes and one that speaks if not given.
        settings: Of the edge; those that begin with ``openai_`` are the API's.
        keys: The edge's keys.
        key: The client's.
    """
    given = {"openai_queue_s": 5.0, **(settings or {})}
    own = {name.removeprefix("openai_"): v for name, v in given.items() if "openai_" in name}
    chosen = EdgeSettings(**{name: v for name, v in given.items() if "openai_" not in name})
    api_settings = msgspec.convert(own, OpenAISettings)
    cell, edge = new_token("c"), new_token("e")
    given_workers = {**llm(), **tts()} if workers is None else workers
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(bus_in(url, cell))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        sessions = Sessions(bus, edge, "websocket", chosen.max_sessions)
        fleet = Fleet(bus, _LISTEN_S)
        helpers = [group.create_task(sessions.run()), group.create_task(fleet.run())]
        await asyncio.sleep(0)
        await bus.flush()  # now the edge listens: it hears workers say that they are there
        for role, work in given_workers.values():
            await stack.enter_async_context(worker_in(url, cell, role, work))
        await _all_heard(fleet, given_workers)
        door = Door(chosen, keys or Keys(None))
        serving = api_of(sessions, door, fleet, chosen, api_settings)
        app = create_app(sessions, chosen, door, lambda: {}, routes(serving))
        listener = health.bind("127.0.0.1", 0)
        given_options = {**options(chosen), "timeout_graceful_shutdown": 1}
        await stack.enter_async_context(health.serve(app, listener, **given_options))
        root = f"http://{health.address(listener)}"
        http = httpx2.AsyncClient(base_url=root, timeout=30, **PLAIN)
        asking = DefaultAsyncHttpxClient(**PLAIN)
        sdk = AsyncOpenAI(
            base_url=f"{root}/v1", api_key=key, max_retries=0, timeout=30, http_client=asking
        )
        await stack.enter_async_context(http)
        await stack.enter_async_context(sdk)
        yield Served(http, sdk, sessions, bus, edge, app)
        for helper in helpers:
            helper.cancel()


async def _all_heard(fleet: Fleet, workers: Mapping[str, tuple[Role, Work]]) -> None:
    """Wait until the edge has heard of the workers: on a busy machine that takes seconds."""
    async with asyncio.timeout(30):
        for role, _ in workers.values():
            while role.models() and not await fleet.models(role.name):
                await asyncio.sleep(0.01)
