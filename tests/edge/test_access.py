"""Who comes in: keys, addresses and pages, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from edge.access import Door
from edge.keys import Keys
from edge.settings import EdgeSettings
from tests.edge.running import edge_at
from voicebus.audio.wav import wav_header
from voicebus.caller import call
from voicebus.errors import AccessDenied, ConfigError, LimitReached
from voicebus.keys import Allowance, add_key, new_key, revoke_key

SILENCE = wav_header(16_000) + bytes(3_200)
LOCAL = EdgeSettings(claim_s=0.3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys are."""
    return tmp_path / "keys.json"


def make_key(path: Path, **allowance: int) -> str:
    """A key that is in the file."""
    secret, key = new_key(
        f"key{path.stat().st_size if path.exists() else 0}", Allowance(**allowance)
    )
    add_key(path, key)
    return secret


def ws_of(client: httpx2.AsyncClient) -> str:
    """Address of /ws."""
    return f"{str(client.base_url).rstrip('/').replace('http', 'ws', 1)}/ws"


async def status_of(client: httpx2.AsyncClient, **headers: str) -> tuple[int, str]:
    """Status and error of a WebSocket handshake; 101 when it was taken."""
    try:
        async with connect(ws_of(client), proxy=None, additional_headers=headers, close_timeout=1):
            return 101, ""
    except InvalidStatus as err:
        body = httpx2.Response(err.response.status_code, content=bytes(err.response.body or b""))
        return err.response.status_code, str(body.json()["error"]["code"])


@asynccontextmanager
async def keyed(
    url: str, path: Path, settings: EdgeSettings = LOCAL
) -> AsyncIterator[httpx2.AsyncClient]:
    """An edge that wants a key."""
    async with edge_at(url, settings, Keys(path)) as client:
        yield client


async def test_without_its_key_nobody_comes_in(nats_server: str, path: Path) -> None:
    """It is checked before the upgrade: the answer is HTTP, and names what is wrong."""
    secret = make_key(path)
    wrong = secret[:-4] + "0000"
    async with keyed(nats_server, path) as client:
        assert await status_of(client) == (401, "key_missing")
        assert await status_of(client, Authorization=f"Bearer {wrong}") == (401, "key_unknown")
        assert await status_of(client, Authorization=f"Basic {secret}") == (401, "key_missing")
        assert await status_of(client, Authorization=f"Bearer {secret}") == (101, "")
        assert await status_of(client, Authorization=f"bearer {secret}") == (101, "")
        answers = [
            await client.post("/interact", content=SILENCE, headers=headers)
            for headers in ({}, {"authorization": f"Bearer {secret}"})
        ]
        in_query = await client.post(f"/interact?key={secret}", content=SILENCE)

    assert [answer.status_code for answer in answers] == [401, 503]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert answers[1].json()["error"]["code"] == "no_worker"
    assert in_query.status_code == 401


async def test_a_page_brings_its_key_as_a_subprotocol(nats_server: str, path: Path) -> None:
    """A browser can set no header. The answer names our protocol, and never the key."""
    secret = make_key(path)
    async with keyed(nats_server, path) as client:
        offered = [Subprotocol("voicebus"), Subprotocol(secret)]
        async with connect(ws_of(client), proxy=None, subprotocols=offered) as socket:
            assert socket.subprotocol == "voicebus"
            assert socket.response is not None
            assert secret not in str(socket.response.headers)
        with pytest.raises(InvalidStatus) as refusal:
            await connect(ws_of(client), proxy=None, subprotocols=[Subprotocol("voicebus")])
    assert refusal.value.response.status_code == 401


async def test_the_talking_client_brings_its_key(nats_server: str, path: Path) -> None:
    """And says what the edge said, when it has none or asks too often."""
    secret = make_key(path, connections_per_min=1)
    async with keyed(nats_server, path) as client:
        with pytest.raises(AccessDenied, match="wants a key"):
            async with call(ws_of(client)):
                pytest.fail("it came in")
        assert await status_of(client, Authorization=f"Bearer {secret}") == (101, "")
        with pytest.raises(LimitReached, match="this key opens connections too often") as refusal:
            async with call(ws_of(client), key=secret):
                pytest.fail("it came in")
    assert 0 < refusal.value.retry_after_s <= 60


async def test_a_key_that_is_made_or_revoked_counts_without_a_restart(
    nats_server: str, path: Path
) -> None:
    """The file is read again when it changes; a running session of a revoked key ends."""
    async with keyed(nats_server, path, EdgeSettings(claim_s=30)) as client:
        assert await status_of(client) == (101, "")
        secret = make_key(path)
        await eventually(client, (401, "key_missing"))
        good = {"Authorization": f"Bearer {secret}"}
        async with connect(ws_of(client), proxy=None, additional_headers=good) as socket:
            await socket.send('{"type":"start"}')
            revoke_key(path, secret[3:11])
            told = await heard(socket)
        assert await status_of(client, **good) == (401, "key_revoked")

    assert any("key_revoked" in message for message in told)
    assert socket.close_code == 1008


async def heard(socket: ClientConnection) -> list[str]:
    """All that is said until the connection is closed."""
    told: list[str] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            told.append(str(await socket.recv()))
    return told


async def eventually(client: httpx2.AsyncClient, wanted: tuple[int, str]) -> None:
    """Wait until an anonymous handshake ends like this; the file is looked at every second."""
    for _ in range(200):
        if await status_of(client) == wanted:
            return
        await asyncio.sleep(0.05)
    assert await status_of(client) == wanted


async def test_connections_of_one_address_are_limited(nats_server: str) -> None:
    """429 with the time to wait, for that address only; others and this machine are served."""
    settings = EdgeSettings(claim_s=0.3, address_connections_per_min=2, proxies="127.0.0.1")
    one, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    anyone = EdgeSettings(**{**as_dict(settings), "anyone": True})
    async with edge_at(nats_server, anyone) as client:
        statuses = [await status_of(client, **one) for _ in range(3)]
        refused = await client.post("/interact", content=SILENCE, headers=one)
        assert await status_of(client, **other) == (101, "")
        assert [await status_of(client) for _ in range(4)] == [(101, "")] * 4

    assert statuses == [(101, ""), (101, ""), (429, "too_many_connections")]
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 30


def as_dict(settings: EdgeSettings) -> dict[str, Any]:
    """The fields of a struct."""
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


async def test_nobody_but_a_trusted_proxy_says_who_calls(nats_server: str) -> None:
    """A header that anyone can send neither opens this machine's door nor escapes a limit."""
    async with edge_at(nats_server, LOCAL) as client:
        assert await status_of(client) == (101, "")
        for name in ("X-Forwarded-For", "Forwarded"):
            assert await status_of(client, **{name: "127.0.0.1"}) == (401, "key_missing")


async def test_a_page_whose_name_was_bent_to_this_machine_is_refused(nats_server: str) -> None:
    """DNS rebinding: its origin is the host that it asks for, and is not ours."""
    evil = {"Host": "evil.example", "Origin": "http://evil.example"}
    async with edge_at(nats_server, LOCAL) as client:
        answer = await client.post("/interact", content=SILENCE, headers=evil)

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_forbidden")


@pytest.mark.parametrize(
    ("settings", "has_keys", "starts"),
    [
        (EdgeSettings(), False, True),
        (EdgeSettings(host="::1"), False, True),
        (EdgeSettings(host="0.0.0.0"), False, False),
        (EdgeSettings(host="::"), False, False),
        (EdgeSettings(host="192.0.2.1"), False, False),
        (EdgeSettings(proxies="127.0.0.1"), False, False),
        (EdgeSettings(host="0.0.0.0"), True, True),
        (EdgeSettings(host="0.0.0.0", anyone=True), False, True),
    ],
)
def test_a_door_that_others_reach_is_not_open_by_mistake(
    settings: EdgeSettings, has_keys: bool, starts: bool, path: Path
) -> None:
    """Without keys an edge serves its own machine, or says why it does not start."""
    if has_keys:
        make_key(path)
    expectation = (
        contextlib.nullcontext()
        if starts
        else pytest.raises(ConfigError, match="voicebus keys add")
    )
    with expectation:
        Door(settings, Keys(path))


async def is_served_at_last(url: str, headers: dict[str, str]) -> bool:
    """Whether a caller gets in, once the session before has been put away."""
    async with asyncio.timeout(10):
        while True:
            async with connect(url, proxy=None, additional_headers=headers) as again:
                await again.send('{"type":"start"}')
                if "metadata" in str(await again.recv()):
                    return True


async def test_sessions_of_one_key_are_limited(nats_server: str, path: Path) -> None:
    """The one too many is told on its socket, where a page can read it; another key is served."""
    one, other = make_key(path, sessions=1), make_key(path)
    async with keyed(nats_server, path, EdgeSettings(claim_s=30)) as client:
        url = ws_of(client)
        first = {"Authorization": f"Bearer {one}"}
        async with connect(url, proxy=None, additional_headers=first) as running:
            await running.send('{"type":"start"}')
            await running.recv()
            async with connect(url, proxy=None, additional_headers=first) as refused:
                await refused.send('{"type":"start"}')
                told = await heard(refused)
            second = {"Authorization": f"Bearer {other}"}
            async with connect(url, proxy=None, additional_headers=second) as served:
                await served.send('{"type":"start"}')
                assert "metadata" in str(await served.recv())
        assert await is_served_at_last(url, first)

    assert "too_many_sessions" in told[0]
    assert '"retry_after_s":5' in told[0]
    assert refused.close_code == 1013
