"""What stands in for the bus where the floor is measured."""

from __future__ import annotations

import asyncio

from benchmarks.direct import Direct
from schemas.audio import AudioChunk
from schemas.codec import decode
from schemas.tts import ReplyChunk
from subjects.catalog import Place, subject_of
from tests.schemas.examples import EXAMPLES

HERE = Place("c0", "e0", "s0")
HEARD = subject_of(AudioChunk, HERE)


def chunk(offset: int) -> AudioChunk:
    """Twenty milliseconds of a caller."""
    return AudioChunk(offset=offset, pcm=bytes(640))


async def kept(direct: Direct, stream: str, subject: str) -> list[object]:
    """What can be read back."""
    return [decode(message.payload) async for message in direct.read(stream, subject)]


async def test_what_a_caller_says_before_the_ears_listen_is_not_lost() -> None:
    """The system's ears read it from the log; without it the floor would hear another beginning."""
    async with asyncio.TaskGroup() as group:
        direct = Direct(group, {})
        await direct.publish(chunk(0), HERE)
        await direct.publish(chunk(320), HERE)
        async with direct.listen(HEARD) as inbox:
            await direct.publish(chunk(640), HERE)

            assert await kept(direct, "AUDIO", HEARD) == [chunk(0), chunk(320)]
            assert (await inbox.next())[1] == chunk(640)


async def test_what_is_said_to_the_caller_is_not_kept() -> None:
    """Nobody reads it back, and what nobody needs costs the floor nothing."""
    reply = next(event for event in EXAMPLES if isinstance(event, ReplyChunk))
    async with asyncio.TaskGroup() as group:
        direct = Direct(group, {})
        await direct.publish(reply, HERE)

        assert await kept(direct, "AUDIO", subject_of(ReplyChunk, HERE)) == []
