"""Recording on three servers: what is published in a burst, and while a leader is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.codec import decode
from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, TokenDelta
from schemas.session import UserText
from subjects.catalog import Place, subject_of
from tests.bus import place_here
from tests.cluster import ServerCluster, server_cluster
from tests.voicebus.bus.sending import audio_in, chunk, log_of
from tests.voicebus.toys import ASKED, Work, ask, role
from tests.workers import claim_on, until, until_done
from voicebus.bus import recorder
from voicebus.bus.client import Bus, Fence
from voicebus.claim import Claim
from voicebus.errors import Fenced
from voicebus.process import attached
from voicebus.sessions.session import Session
from voicebus.settings import ProcessSettings
from voicebus.worker import Worker

REQUEST = GenerateRequest(turn=1, messages=ASKED)


# Three servers, and elections of some seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerCluster]:
    """Three servers, none of which may be killed."""
    with server_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@asynccontextmanager
async def bus_of(cluster: ServerCluster, name: str = "test") -> AsyncIterator[Bus]:
    """Connect as a process does."""
    own = ProcessSettings(worker_id=name)
    async with attached(own, cluster.settings, asyncio.Event()) as bus:
        yield bus


async def stored(bus: Bus, place: Place, kind: type[Event]) -> list[Event]:
    """Return what the log holds of a kind."""
    subject = subject_of(kind, place)
    return [decode(message.payload) async for message in bus.read("SESSION", subject)]


async def say(claim: Claim, first: int, count: int) -> list[str]:
    """Publish words and clauses in a burst; return the words."""
    words = [f"{number} " for number in range(first, first + count)]
    for number, word in enumerate(words, first):
        await claim.publish(TokenDelta(turn=1, seq=number, text=word))
        await claim.publish(ClauseReady(turn=1, seq=number, text=word))
    return words


async def test_a_burst_is_heard_once_and_stored_in_order(cluster: ServerCluster) -> None:
    """The store takes one fenced write of a claim at a time; neither those who listen nor the log
    notice.
    """
    place = place_here()
    async with bus_of(cluster) as bus, bus_of(cluster, "edge") as edge:
        subjects = (subject_of(TokenDelta, place), subject_of(ClauseReady, place))
        async with edge.listen(*subjects) as inbox:
            await edge.flush()
            claim = await claim_on(bus, place, "llm", REQUEST)
            words = await say(claim, 0, 50)
            heard = [(await asyncio.wait_for(inbox.next(), 10))[1] for _ in range(100)]
            async with asyncio.timeout(30):
                while len(await stored(bus, place, ClauseReady)) < 50:
                    await asyncio.sleep(0.05)
            await edge.flush()
            left = len(inbox)
        tokens = await stored(bus, place, TokenDelta)

    assert [event.text for event in heard if isinstance(event, TokenDelta)] == words
    assert [event.text for event in tokens if isinstance(event, TokenDelta)] == words
    assert left == 0
    assert not claim.lost.done()


async def test_who_begins_to_listen_in_a_burst_misses_nothing(cluster: ServerCluster) -> None:
    """What was heard before that, and waited for the store when the log was read, comes as it is
    stored: each once. (The first of them waited for nothing; who reads looks again.)
    """
    place = place_here()
    subject = subject_of(UserText, place)
    async with bus_of(cluster, "edge") as edge, bus_of(cluster) as bus:
        for number in range(100):
            await edge.publish(UserText(text="x", seq=number), place)
        await edge.flush()
        async with bus.listen(subject) as inbox:
            await bus.flush()
            read = [event.seq for event in await stored(bus, place, UserText)]
            for number in range(100, 200):
                await edge.publish(UserText(text="x", seq=number), place)
            async with asyncio.timeout(30):
                while len(await stored(bus, place, UserText)) < 200:
                    await asyncio.sleep(0.05)
            await bus.flush()
            heard = [(await inbox.next())[1].seq for _ in range(len(inbox))]

    assert len(read) < 100, "the burst was stored before anybody listened: it shows nothing"
    assert sorted({0, *read, *heard}) == list(range(200))
    assert len(heard) == len(set(heard))


async def test_the_store_refuses_all_that_an_outdated_owner_has_left(
    cluster: ServerCluster,
) -> None:
    """What still waited when somebody else took the job is never stored."""
    place = place_here()
    async with bus_of(cluster) as bus, bus_of(cluster, "next") as other:
        claim = await claim_on(bus, place, "llm", REQUEST)
        await say(claim, 0, 20)
        next_one = Claimed(role="llm", worker="next", delivery=2)
        taken: Fence = await other.claim(next_one, place, claim.job, claim.epoch)
        await say(claim, 20, 20)
        await asyncio.wait_for(claim.lost, 20)
        await asyncio.sleep(0.5)
        recorded = [
            message.sequence async for message in bus.read("SESSION", subject_of(TokenDelta, place))
        ]

    assert all(sequence < taken.epoch for sequence in recorded)


async def test_of_two_that_claim_one_wins(cluster: ServerCluster) -> None:
    """However the writes meet."""
    place = place_here()
    async with bus_of(cluster) as bus, bus_of(cluster, "other") as other:
        claimed = Claimed(role="llm", worker="a", delivery=1)
        outcomes = await asyncio.gather(
            *(each.claim(claimed, place, "1-0", 0) for each in (bus, other, bus, other)),
            return_exceptions=True,
        )

    assert sum(isinstance(outcome, Fence) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 3


async def test_nothing_is_missing_from_the_log_after_a_leader_died(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Those who listen hear on, on the servers that are left; what was said meanwhile is stored
    when there is a leader again; and workers are given jobs.
    """
    folder = tmp_path_factory.mktemp("mortal")
    with server_cluster(folder) as cluster:
        place, work = place_here(), Work()
        async with bus_of(cluster) as bus, bus_of(cluster, "llm") as own:
            dying = await leader_of(bus, "SESSION")
            stop = asyncio.Event()
            worker = Worker(own, role(), work)
            running = asyncio.create_task(worker.run(stop, 1.0))
            claim = await claim_on(bus, place, "tts", REQUEST)
            words = await say(claim, 0, 10)
            cluster.servers[dying].kill()
            for first in range(10, 100):
                words += await say(claim, first, 1)
                await asyncio.sleep(0.05)
            await ask(bus, place, 2)
            await until(work.holds(1), limit_s=40)
            async with asyncio.timeout(40):
                while len(await stored(bus, place, TokenDelta)) < len(words):
                    await asyncio.sleep(0.2)
            tokens = await stored(bus, place, TokenDelta)
            work.go.set()
            await until_done(bus, "llm", limit_s=20)
            stop.set()
            await running

    assert [event.text for event in tokens if isinstance(event, TokenDelta)] == words
    assert not claim.lost.done()


async def test_a_callers_audio_is_stored_whole_though_its_leader_died(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What its client is told to be stored goes on, too."""
    with server_cluster(tmp_path_factory.mktemp("audio")) as cluster:
        place = place_here()
        async with (
            bus_of(cluster) as bus,
            bus_of(cluster, "edge") as edge,
            bus.listen(subject_of(AudioChunk, place)),  # nobody says that no stream is there
        ):
            await bus.flush()
            session = Session(edge, place)
            dying = await leader_of(bus, "AUDIO")
            for number in range(200):
                await session._publish(chunk(number))
                if number == 20:
                    cluster.servers[dying].kill()
                await asyncio.sleep(0.05)
            await until(lambda: session.stored == 200, limit_s=40)
            said = b"".join(chunk(number).pcm for number in range(200))
            audio, limit_s = b"", time.monotonic() + 20
            while audio != said and time.monotonic() < limit_s:  # a replica may be behind
                await asyncio.sleep(0.1)
                audio = audio_in(await log_of(bus, "AUDIO", subject_of(AudioChunk, place)))

    assert audio == said


async def leader_of(bus: Bus, stream: str) -> str:
    """Return the name of the server that leads a stream."""
    info = msgspec.json.decode(await bus.request(f"$JS.API.STREAM.INFO.{stream}", b""))
    return str(info["cluster"]["leader"])


async def test_a_claim_whose_acknowledgement_was_lost_is_written_once(
    cluster: ServerCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent again, and the store says that it has it, not that somebody else claimed."""
    place = place_here()
    async with bus_of(cluster) as bus:
        monkeypatch.setattr(recorder, "TRY_S", -1.0)
        answer = bus._acks.answer
        lost: list[bytes] = []

        def lose_the_first(number: int, payload: bytes, no_responders: bool) -> None:
            if lost:
                answer(number, payload, no_responders)
                return
            lost.append(payload)
            bus._acks.expire(time.monotonic())

        monkeypatch.setattr(bus._acks, "answer", lose_the_first)
        fence = await bus.claim(Claimed(role="llm", worker="a"), place, "1-0", 0)
        newest = await bus.last("SESSION", fence.subject)

    assert len(lost) == 1
    assert newest is not None
    assert newest.sequence == fence.epoch


async def test_streams_are_placed_where_the_tag_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What must survive a loss of power is kept by the servers that flush at once."""
    with server_cluster(tmp_path_factory.mktemp("tagged")) as cluster:
        settings = msgspec.structs.replace(cluster.settings, replicas=1, session_tag="fast")
        own = ProcessSettings(worker_id="test")
        async with attached(own, settings, asyncio.Event()) as bus:
            leaders = [await leader_of(bus, stream) for stream in ("SESSION", "JOBS")]

    assert leaders == ["n3", "n3"]
