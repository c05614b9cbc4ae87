"""The server does nothing for somebody that they may not do themselves.

Whoever publishes into a stream, or asks one, names the subject of the answer, and the server
publishes there with rights of its own.
"""

from __future__ import annotations

import json
from typing import Final

import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.codec import encode
from schemas.llm import TokenDelta
from schemas.stt import TranscriptFinal
from subjects.catalog import Place, subject_of
from subjects.inboxes import edge_inbox
from subjects.tokens import new_token
from tests.secured import CELL, EDGES, Secured
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened

CHUNK: Final = AudioChunk(pcm=b"\x01\x02", offset=0)


def place(edge: str) -> Place:
    """A new session of an edge."""
    return Place(CELL, edge, new_token("s"))


async def messages_in(bus: Bus, stream: str) -> int:
    """How many messages a stream holds."""
    answer = json.loads(await bus.request(f"$JS.API.STREAM.INFO.{stream}", b""))
    return int(answer["state"]["messages"])


@pytest.mark.parametrize(
    "verb",
    [
        "STREAM.PURGE.AUDIO",
        "STREAM.DELETE.AUDIO",
        "STREAM.MSG.DELETE.AUDIO",
        "STREAM.UPDATE.AUDIO",
        "STREAM.LEADER.STEPDOWN.AUDIO",
        "CONSUMER.DELETE.JOBS.test-stt",
        "CONSUMER.RESET.JOBS.test-stt",
        "CONSUMER.PAUSE.JOBS.test-stt",
    ],
)
async def test_an_acknowledgement_is_no_order_to_the_server(secured: Secured, verb: str) -> None:
    """An edge has its own be acknowledged on a subject of the server's interface.

    The server takes it for a question. Only that it reads them strictly, and an acknowledgement has
    fields of its own, keeps an edge from emptying a stream: nats.conf says so.
    """
    mine, theirs = place(EDGES[1]), place(EDGES[0])
    async with (
        secured.bus("edge-one") as victim,
        secured.bus("edge-two") as edge,
        secured.bus("admin") as admin,
    ):
        await victim.store(CHUNK, theirs)
        before = await messages_in(admin, "AUDIO")

        await edge.publish_raw(subject_of(AudioChunk, mine), encode(CHUNK), f"$JS.API.{verb}")
        await edge.store(CHUNK, mine)

        assert await messages_in(admin, "AUDIO") == before + 2
        assert await admin.last("AUDIO", subject_of(AudioChunk, theirs)) is not None
        consumer = json.loads(await admin.request("$JS.API.CONSUMER.INFO.JOBS.test-stt", b""))
        assert "error" not in consumer
        assert not consumer.get("paused")


async def test_an_acknowledgement_is_not_heard_as_a_worker_s_word(secured: Secured) -> None:
    """An edge directs one at what another edge hears: it arrives, and counts for nothing."""
    mine, theirs = place(EDGES[1]), place(EDGES[0])
    said = subject_of(TranscriptFinal, theirs)
    async with (
        secured.bus("edge-one") as victim,
        secured.bus("edge-two") as edge,
        victim.listen(said) as inbox,
    ):
        await victim.flush()
        await edge.publish_raw(subject_of(AudioChunk, mine), encode(CHUNK), said)
        await edge.store(CHUNK, mine)
        await victim.flush()
        assert len(inbox) == 0

    async with secured.bus("admin") as admin:
        recorded = [message async for message in admin.read_raw("SESSION", said)]
        read = [message async for message in admin.read("SESSION", said)]
    assert len(recorded) == 1
    assert opened(said, recorded[0].payload) is None
    assert read == []


async def test_a_message_out_of_the_log_is_not_heard_as_a_new_one(secured: Secured) -> None:
    """A worker has the server read one session's words into another session."""
    here, there = place(EDGES[0]), place(EDGES[0])
    said = TranscriptFinal(utterance=1, text="words", start_ms=0, end_ms=1, end_offset=1)
    async with secured.bus("stt") as stt, secured.bus("edge-one") as edge:
        fence = await stt.claim(Claimed(role="stt", worker="w1"), here, "session", 0)
        await stt.store(said, here, fence)
        async with edge.listen(subject_of(TranscriptFinal, there)) as inbox:
            await edge.flush()
            question = f"$JS.API.DIRECT.GET.SESSION.{subject_of(TranscriptFinal, here)}"
            await stt.publish_raw(question, b"", subject_of(TranscriptFinal, there))
            assert await stt.last("SESSION", subject_of(TranscriptFinal, here)) is not None
            await edge.flush()

            assert len(inbox) == 0


async def test_a_worker_may_not_say_another_kind_of_message_on_its_subject(
    secured: Secured,
) -> None:
    """The right to write tokens is not the right to write transcripts."""
    there = place(EDGES[0])
    said = TranscriptFinal(utterance=1, text="words", start_ms=0, end_ms=1, end_offset=1)
    async with (
        secured.bus("llm") as llm,
        secured.bus("edge-one") as edge,
        edge.listen(edge_inbox(CELL, EDGES[0])) as inbox,
    ):
        await edge.flush()
        await llm.publish_raw(subject_of(TokenDelta, there), encode(said))
        await llm.flush()
        await edge.flush()

        assert len(inbox) == 0
