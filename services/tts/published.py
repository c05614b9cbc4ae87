"""What a lost worker had said of a turn: read from the log.

The chunks' stream is not fenced, and may lag behind what the edge has. That does no harm: where
chunks are cut depends on the words alone, so one that is published twice is dropped by its number.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from schemas.codec import decode
from schemas.event import Event
from schemas.tts import FILLER, ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from voicebus.claim import Claim
from voicebus.origins import made, origins, tell_again


class Published(Struct, frozen=True, kw_only=True):
    """The part of a turn's audio that is there.

    Fields
        samples: How long it is.
        chunks: In how many chunks: ``seq`` of the next one.
        ends: Where the stretches end of which was told what they speak, in their order; the last
            of them may not be whole yet.
        has_filler: Whether the first stretch is a filler.
        first_ns: When the first chunk was stored, in ns since 1970; 0 when there is none.
        is_done: Whether the end was told: nothing is left to do.
    """

    samples: int = 0
    chunks: int = 0
    ends: tuple[int, ...] = ()
    has_filler: bool = False
    first_ns: int = 0
    is_done: bool = False


NOTHING = Published()


async def read_published(claim: Claim) -> Published:
    """Read what was published for the claim's turn and revision, by whatever worker.

    Raises:
        BusError: The log cannot be read.
    """
    audio = [(m.stored_ns, decode(m.payload)) async for m in claim.past(ReplyChunk)]
    words = [(0, event) for event in await claim.history()]
    here = [*audio, *words]
    there = await _told_again(claim, [event for _, event in here])
    return gathered([*((claim.stored_ns, event) for event in there), *here], claim.request)


async def _told_again(claim: Claim, here: list[Event]) -> list[Event]:
    """Tell at this edge what was spoken at another one, and return it."""
    if not (isinstance(claim.request, SpeakRequest) and claim.request.resumed):
        return []
    former = await origins(claim.bus, claim.place, awaited=True)
    there = await made(claim, former, ClauseSpoken, ReplyChunk, SpeechDone)
    there.sort(key=lambda event: isinstance(event, SpeechDone))
    await tell_again(claim, there, here)
    return there


def gathered(stored: Iterable[tuple[int, Event]], ours: Event) -> Published:
    """Put together what belongs to the attempt of ``ours``, up to the first gap.

    Args:
        stored: When each chunk was stored, and the chunk; for others the time is of no interest.
        ours: The request.
    """
    chunks: dict[int, tuple[int, ReplyChunk]] = {}
    told: dict[int, ClauseSpoken] = {}
    is_done = False
    for at_ns, event in stored:
        if (event.turn, event.revision) != (ours.turn, ours.revision):
            continue
        match event:
            case ReplyChunk():
                chunks.setdefault(event.seq, (at_ns, event))
            case ClauseSpoken():
                told.setdefault(event.seq, event)
            case SpeechDone():
                is_done = True
    samples, number = 0, 0
    while number in chunks and chunks[number][1].offset == samples:
        samples += len(chunks[number][1].pcm) // 2
        number += 1
    ends: list[int] = []
    while len(ends) in told:
        ends.append(told[len(ends)].end)
    is_filler = chunks[0][1].clause == FILLER if number else bool(ends) and not told[0].text
    return Published(
        samples=samples,
        chunks=number,
        ends=tuple(ends),
        has_filler=is_filler,
        first_ns=chunks[0][0] if number else 0,
        is_done=is_done,
    )
