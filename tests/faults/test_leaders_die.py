"""A server of three dies that leads a stream, under a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import pytest

from schemas.turn import TurnEnded
from tests.e2e.client import PAUSE, Client, connected, expect_eventually
from tests.faults.account import Samples, expect_unharmed, unharmed_reply, until_over
from tests.faults.crew import LIMIT_S, Crew, crew_on_cluster
from tests.nats_server import NatsServer
from tests.voicebus.audio.recordings import WHOLE_S, seconds_heard, sentence
from voicebus.cli.replay import caller_audio
from voicebus.errors import BusError

pytestmark = [
    pytest.mark.fault,
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

STREAMS: Final = ("AUDIO", "SESSION", "JOBS", "REPLY")
"""Those without which nobody is answered."""


class Peer(msgspec.Struct, frozen=True):
    """A copy of a stream beside the leader's."""

    current: bool = False
    offline: bool = False


class Copies(msgspec.Struct, frozen=True):
    """Where the copies of a stream are."""

    leader: str = ""
    replicas: tuple[Peer, ...] = ()


class Info(msgspec.Struct, frozen=True):
    """What a server says of a stream."""

    cluster: Copies = Copies()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Three servers with users, two workers of each role, a supervisor and an edge."""
    with crew_on_cluster(tmp_path_factory.mktemp("cluster")) as crew:
        yield crew


@pytest.fixture(scope="module")
def unharmed(running: Crew) -> Samples:
    """The audio of a reply to which nothing happened."""
    asyncio.run(until_whole(running))
    return asyncio.run(unharmed_reply(running))


async def copies(crew: Crew, stream: str) -> Copies:
    """Ask where a stream is."""
    async with crew.secured.bus("admin") as bus:
        answer = await bus.request(f"$JS.API.STREAM.INFO.{stream}", b"")
    return msgspec.json.decode(answer, type=Info).cluster


async def leader(crew: Crew, stream: str) -> NatsServer:
    """Return the server that leads a stream."""
    name = (await copies(crew, stream)).leader
    return crew.secured.servers[int(name.removeprefix("n")) - 1]


async def until_whole(crew: Crew) -> None:
    """Wait until each stream has a leader and both of its other copies have all of it."""

    async def is_whole() -> bool:
        try:
            found = [await copies(crew, stream) for stream in STREAMS]
        except BusError:  # there is no leader yet who could answer
            return False
        return all(
            each.leader
            and [peer.current and not peer.offline for peer in each.replicas] == [True] * 2
            for each in found
        )

    await expect_eventually(is_whole, "every copy is there", 2 * LIMIT_S)


async def until_stored(crew: Crew, client: Client, said: Samples) -> None:
    """Wait until the log has each frame of what was said: a copy that was away catches up."""

    async def is_stored() -> bool:
        return np.array_equal(caller_audio(await crew.log(client))[: len(said)], said)

    await expect_eventually(is_stored, "each frame is stored", LIMIT_S)


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_streams_leader_is_killed_while_the_caller_speaks(
    crew: Crew, unharmed: Samples, stream: str
) -> None:
    """The utterance is understood whole and answered once, after a pause; each frame is stored."""
    await until_whole(crew)
    said = np.concatenate([sentence(), PAUSE])
    dying = await leader(crew, stream)
    async with connected(crew, {}) as client:
        await client.speak(said[:40_000], pace=1.0)
        await client.until("speech_started", within_s=LIMIT_S)
        killing = asyncio.create_task(asyncio.to_thread(dying.kill))
        await client.speak(said[40_000:], pace=1.0)
        await killing
        await until_over(client)
    await asyncio.to_thread(dying.start)
    await until_whole(crew)
    await until_stored(crew, client, said)

    assert [final["utterance"] for final in client.messages("final")] == [1]
    assert seconds_heard(client.messages("final")[0]["text"]) >= WHOLE_S
    await expect_unharmed(crew, client, unharmed)


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_streams_leader_is_killed_in_mid_reply(
    crew: Crew, unharmed: Samples, stream: str
) -> None:
    """The reply is whole, word for word and sample for sample, and so is the next one."""
    await until_whole(crew)
    dying = await leader(crew, stream)
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await client.until("reply_text", 12, LIMIT_S)
        await asyncio.to_thread(dying.kill)
        await until_over(client)
        await client.send("text", text="And once more?")
        await until_over(client, 2)
    await asyncio.to_thread(dying.start)
    await until_whole(crew)
    await crew.until_recorded(client, lambda e: isinstance(e, TurnEnded) and e.turn == 2)

    await expect_unharmed(crew, client, unharmed, turns=2)
