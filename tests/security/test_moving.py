"""A session moves to another edge: with the token alone, and without a further permission."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.cutting import proxy
from tests.models import model_path
from tests.secured import CELL, EDGES, Secured, secured_server
from tests.system import STOP_LIMIT_S, SYNTHETIC, System
from voicebus import parts
from voicebus.caller import Start, call
from voicebus.parts import ROLES

pytestmark = pytest.mark.model

SECOND = "second-edge"
START = Start().message()


class Pair(System):
    """A system with two edges, each with a user of its own."""

    def launch(self) -> None:
        """Start every process, and the second edge."""
        super().launch()
        part = parts.edge_part(parts.free_port(), self.environment(**self._own[SECOND]))
        self.add(msgspec.structs.replace(part, name=SECOND))

    def ws_of(self, name: str) -> str:
        """Address of an edge's /ws."""
        return self.processes[name].url.replace("http://", "ws://", 1) + "/ws"

    def refused(self, bus: Secured) -> list[str]:
        """What the server refused, and to whom."""
        counted = [
            name
            for name, process in self.processes.items()
            if process.code is None and self.metric(name, "voicebus_bus_refused_total")
        ]
        return [*bus.violations(), *counted]


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server with a user for each process."""
    with secured_server(tmp_path_factory.mktemp("secured")) as running:
        asyncio.run(running.make_layout())
        yield running


@pytest.fixture(scope="module")
def pair(bus: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Synthetic engines, and two edges."""
    model_path("silero-vad")
    own = {role: {"NATS_NKEY_FILE": bus.settings(role).nats_nkey_file} for role in ROLES}
    for part, name in (("edge", EDGES[0]), (SECOND, EDGES[1])):
        seed = bus.settings(f"edge-{name}").nats_nkey_file
        own[part] = {"NATS_NKEY_FILE": seed, "EDGE_NAME": name}
    settings = {**SYNTHETIC, "CELL": CELL}
    with Pair(tmp_path_factory.mktemp("pair"), settings, bus.server, own=own) as system:
        yield system


async def answer_to(url: str, **asked: Any) -> list[Any]:
    """Ask an edge to go on with a session; return all that it says until it closes."""
    resume = {"type": "resume", "received": 0, "start": START, **asked}
    said: list[Any] = []
    async with connect(url, proxy=None) as socket, asyncio.timeout(20):
        await socket.send(msgspec.json.encode(resume).decode())
        with contextlib.suppress(ConnectionClosedError):
            while True:
                said.append(msgspec.json.decode(await socket.recv()))
    return said


async def test_nobody_else_can_go_on_with_a_session(pair: Pair, bus: Secured) -> None:
    """A wrong token, no such session, wildcards: all get the same answer, and the call lives."""
    known: list[dict[str, Any]] = []
    async with connect(pair.ws, proxy=None) as owner:
        await owner.send(msgspec.json.encode(START).decode())
        known.append(msgspec.json.decode(await owner.recv()))
        await owner.send('{"type":"text","text":"a secret"}')
        session, token = known[0]["session_id"], known[0]["resume_token"]
        other = pair.ws_of(SECOND)
        answers = [
            await answer_to(other, session_id=session, token="x" * len(token)),
            await answer_to(other, session_id=session, token=""),
            await answer_to(other, session_id="s0123456789abcdef", token=token),
            await answer_to(other, session_id="*", token=token),
            await answer_to(other, session_id=f"{session}.>", token=token),
        ]
        await owner.send('{"type":"ping"}')
        async with asyncio.timeout(20):
            async for frame in owner:
                if isinstance(frame, str) and msgspec.json.decode(frame)["type"] == "pong":
                    break

    codes = {(message["type"], message["code"]) for said in answers for message in said}
    messages = {message["message"] for said in answers for message in said}
    assert codes == {("error", "session_expired")}
    assert len(messages) == 1
    assert all(len(said) == 1 for said in answers)
    assert pair.refused(bus) == []


async def test_a_session_moves_without_a_further_permission(pair: Pair, bus: Secured) -> None:
    """Its edge dies; the other one may do no more than an edge may."""
    async with proxy(pair.ws) as standing, call(standing.url) as caller:
        before = await caller.type_text("hello")
        standing.lead_to(pair.ws_of(SECOND))
        pair.processes["edge"].signal(signal.SIGKILL)
        await asyncio.to_thread(pair.processes["edge"].wait, STOP_LIMIT_S)
        after = await caller.type_text("are you there?")

    assert before.errors == after.errors == ()
    assert (after.transcript, after.turns) == ("are you there?", 1)
    assert after.audio
    assert pair.refused(bus) == []
