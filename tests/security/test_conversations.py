"""Conversations belong to somebody: two edges, two keys, and a bus with users."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from tests.models import model_path
from tests.secured import CELL, EDGES, Secured, secured_server
from tests.security.test_moving import SECOND, Pair
from tests.system import SYNTHETIC
from voicebus.keys import Allowance, add_key, new_key
from voicebus.parts import ROLES

pytestmark = pytest.mark.model

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A server with a user for each process."""
    with secured_server(tmp_path_factory.mktemp("secured")) as running:
        asyncio.run(running.make_layout())
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The file of keys, and the keys of two people."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    made = [new_key(name, Allowance()) for name in ("ada", "bob")]
    for _, stored in made:
        add_key(path, stored)
    return path, made[0][0], made[1][0]


@pytest.fixture(scope="module")
def pair(
    bus: Secured, keys: tuple[Path, str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Synthetic engines, and two edges that want a key."""
    model_path("silero-vad")
    own = {role: {"NATS_NKEY_FILE": bus.settings(role).nats_nkey_file} for role in ROLES}
    for part, name in (("edge", EDGES[0]), (SECOND, EDGES[1])):
        seed = bus.settings(f"edge-{name}").nats_nkey_file
        own[part] = {"NATS_NKEY_FILE": seed, "EDGE_NAME": name}
    settings = {**SYNTHETIC, "CELL": CELL, "EDGE_KEYS_FILE": str(keys[0])}
    with Pair(tmp_path_factory.mktemp("pair"), settings, bus.server, own=own) as system:
        yield system


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Wait for a message of this kind."""
    async with asyncio.timeout(LIMIT_S):
        async for frame in socket:
            if isinstance(frame, str) and (told := msgspec.json.decode(frame))["type"] == kind:
                return dict(told)
    raise AssertionError(f"no {kind}")


async def begin(socket: ClientConnection, **fields: Any) -> dict[str, Any]:
    """Begin a session; return the first that is told of it."""
    start = {"type": "start", "output": {"audio": False}, **fields}
    await socket.send(msgspec.json.encode(start).decode())
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionClosedError):
            return dict(msgspec.json.decode(await socket.recv()))
    raise AssertionError("nothing was told")


async def answer_to(url: str, key: str, **fields: Any) -> dict[str, Any]:
    """Ask an edge for a session; return the first that it says."""
    headers = {"Authorization": f"Bearer {key}"}
    async with connect(url, proxy=None, additional_headers=headers) as socket:
        return await begin(socket, **fields)


async def test_a_conversation_opens_for_its_owner_and_who_has_a_code_once(
    pair: Pair, bus: Secured, keys: tuple[Path, str, str]
) -> None:
    """At any edge of the cell, with no further permission; for everybody else it is not there."""
    _, ada, bob = keys
    other = pair.ws_of(SECOND)
    headers = {"Authorization": f"Bearer {ada}"}
    async with connect(pair.ws, proxy=None, additional_headers=headers) as socket:
        conversation = (await begin(socket, conversation="new"))["conversation_id"]
        stolen = await answer_to(other, bob, conversation=conversation)
        nowhere = await answer_to(other, bob, conversation=f"c{32 * '0'}")
        wild = await answer_to(other, bob, conversation="*")
        back = await answer_to(other, ada, conversation=conversation)
        await socket.send('{"type":"link"}')
        code = (await hear(socket, "link_code"))["code"]
        forged = await answer_to(other, bob, link_code="ZZZZ-ZZZZ")
        redeemed = await answer_to(other, bob, link_code=code)
        replayed = await answer_to(other, bob, link_code=code)
        again = await answer_to(pair.ws, bob, conversation=conversation)

    refusals = [stolen, nowhere, wild]
    assert {answer["code"] for answer in refusals} == {"conversation_unknown"}
    assert len({answer["message"] for answer in refusals}) == 1
    assert {answer["code"] for answer in (forged, replayed)} == {"link_refused"}
    assert forged["message"] == replayed["message"]
    assert {one["conversation_id"] for one in (back, redeemed, again)} == {conversation}
    assert pair.refused(bus) == []
