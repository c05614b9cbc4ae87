"""/tts/stream when a voice dies in the middle of a text."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Iterator

import httpx2
import pytest
from websockets.asyncio.client import connect

from schemas.claim import Claimed
from subjects.catalog import session_log
from subjects.tokens import new_token
from tests.plain import PLAIN
from tests.system import STOP_LIMIT_S, SYNTHETIC, System
from voicebus import parts
from voicebus.bus.client import connect as connect_bus
from voicebus.settings import BusSettings

pytestmark = [pytest.mark.fault, pytest.mark.timeout(120)]

TEXT = "The sea is wide today, and the boats are out already. Nobody waits for them at home."
VOICE = {"TTS_SYNTHETIC_PIECE_MS": "90", "TTS_SYNTHETIC_PACE": "0.5"}
"""Makes a second of audio in half a second."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Voices, and nothing else behind the edge."""
    with System(tmp_path_factory.mktemp("voices"), {**SYNTHETIC, **VOICE}, roles=("tts",)) as one:
        yield one


async def over_http(system: System, begun: asyncio.Event) -> bytes:
    """The audio of the text."""
    audio = b""
    async with (
        httpx2.AsyncClient(base_url=system.root, timeout=60, **PLAIN) as http,
        http.stream("POST", "/tts/stream", json={"text": TEXT}) as answer,
    ):
        assert answer.status_code == 200
        async for piece in answer.aiter_raw():
            audio += piece
            begun.set()
    return audio


async def over_websocket(system: System, begun: asyncio.Event) -> bytes:
    """The same, over the other."""
    audio = b""
    url = system.root.replace("http", "ws") + "/tts/stream"
    async with connect(url, proxy=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "text", "text": TEXT}))
        await socket.send('{"type": "end"}')
        async for data in socket:
            if isinstance(data, bytes):
                audio += data
                begun.set()
            elif json.loads(data)["type"] == "done":
                return audio
            else:
                assert json.loads(data)["type"] == "audio_start"
    pytest.fail("closed before its end")


@pytest.mark.parametrize("ask", [over_http, pytest.param(over_websocket, marks=pytest.mark.slow)])
async def test_a_voice_dies_in_mid_text_and_another_says_the_rest(
    system: System, ask: Callable[[System, asyncio.Event], Awaitable[bytes]]
) -> None:
    """The client gets the same audio, without a gap and without a word twice."""
    whole = await ask(system, asyncio.Event())
    name, begun = new_token("w"), asyncio.Event()
    first = system.processes["tts"]
    second = system.add(parts.worker_part("tts", system.environment(WORKER_ID=name)))
    await asyncio.to_thread(system.wait_ready)
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "test")
    async with bus.listen(*session_log("local", "*")) as inbox:
        await bus.flush()
        asking = asyncio.ensure_future(ask(system, begun))
        async with asyncio.timeout(30):
            await begun.wait()
            _, claim = await inbox.next()
            while not isinstance(claim, Claimed):
                _, claim = await inbox.next()
        dying, living = (second, first) if claim.worker == name else (first, second)
        system.processes["tts"] = living
        dying.signal(signal.SIGKILL)
        dying.wait(STOP_LIMIT_S)
        assert not asking.done()
        await bus.publish_raw(claim.ack, b"-NAK")
        audio = await asking
    await bus.close()

    assert len(whole) > 48_000
    assert audio == whole
