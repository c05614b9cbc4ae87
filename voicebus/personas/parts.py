"""Many questions in few messages: how a book of instant answers lies in the bucket."""

from __future__ import annotations

import asyncio
import hashlib
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from schemas.persona import FaqKept
from subjects.catalog import CATALOG
from subjects.kept import faq_subject
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened
from voicebus.bus.purge import purge
from voicebus.bus.replay import Recorded
from voicebus.errors import ConfigError, Fenced, WriteInFlight
from voicebus.personas.pairs import Pair

STREAM: Final = CATALOG[FaqKept].stream

_PART_BYTES: Final = 500_000
_MOST_BYTES: Final = 64 << 20
"""Of all questions and answers: nobody needs more memory to read them."""

_PIECE_BYTES: Final = 64_000

_TRIES: Final = 20


def packed(pairs: Sequence[Pair]) -> list[FaqKept]:
    """Return a book as parts. May take a second."""
    lines = msgspec.json.Encoder().encode_lines(pairs)
    if len(lines) > _MOST_BYTES:
        raise ConfigError(f"{len(lines)} bytes of questions and answers; at most {_MOST_BYTES}")
    data = zlib.compress(lines)
    version = hashlib.sha256(lines).hexdigest()[:12]
    pieces = [data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES)]
    return [
        FaqKept(version=version, parts=len(pieces), questions=len(pairs), data=piece, seq=number)
        for number, piece in enumerate(pieces)
    ]


def unpacked(parts: Iterable[FaqKept]) -> list[Pair]:
    """Return the book that the parts are. May take a second; other threads run on.

    Raises:
        ConfigError: They are none.
    """
    pairs: list[Pair] = []
    decoder = msgspec.json.Decoder(Pair)
    try:
        unzip = zlib.decompressobj()
        lines = unzip.decompress(b"".join(part.data for part in parts), _MOST_BYTES)
        for piece in _pieces(lines):
            pairs += decoder.decode_lines(piece)
            time.sleep(0)  # the decoder holds the interpreter
        return pairs
    except (zlib.error, msgspec.DecodeError) as err:
        raise ConfigError(f"these are no questions and answers: {err}") from err


def _pieces(lines: bytes) -> Iterator[bytes]:
    """Yield whole lines, so many at a time that nobody waits for long while one is decoded."""
    begin = 0
    while begin < len(lines):
        end = lines.find(b"\n", begin + _PIECE_BYTES) + 1 or len(lines)
        yield lines[begin:end]
        begin = end


async def find(bus: Bus, name: str, part: int = 0) -> FaqKept | None:
    """Return a part of a persona's book.

    Raises:
        BusError: It cannot be read.
    """
    found = await bus.last(STREAM, faq_subject(bus.cell, name, part))
    return _part(found)


async def find_all(bus: Bus, name: str, first: FaqKept) -> list[FaqKept]:
    """Return a book whose first part is known.

    Raises:
        ConfigError: It is being replaced: some parts are of another version.
        BusError: It cannot be read.
    """
    parts = [first]
    for number in range(1, first.parts):
        part = await find(bus, name, number)
        if part is None or part.version != first.version:
            raise ConfigError(f"the answers of {name!r} are being replaced")
        parts.append(part)
    return parts


async def put(bus: Bus, name: str, parts: Sequence[FaqKept]) -> None:
    """Put a book into the bucket, in the place of the one that is there; none: take it out.

    Args:
        bus: The connection, of the admin.
        name: The persona.
        parts: What :func:`packed` made.

    Raises:
        BusError: It cannot be written.
    """
    before = await find(bus, name)
    for part in reversed(parts):
        await _put(bus, faq_subject(bus.cell, name, part.seq), part)
    # Older versions would fill the bucket, which is for personas.
    for number in range(max(len(parts), before.parts if before is not None else 0)):
        subject = faq_subject(bus.cell, name, number)
        await purge(bus, STREAM, subject, keep=int(number < len(parts)))


async def _put(bus: Bus, subject: str, part: FaqKept) -> None:
    for _ in range(_TRIES):
        newest = await bus.last(STREAM, subject)
        if _part(newest) == part:
            return
        try:
            await bus.keep(part, subject, 0 if newest is None else newest.sequence)
        except (Fenced, WriteInFlight):
            await asyncio.sleep(0.05)
            continue
        return
    raise Fenced("others write these answers at the same time; try again")


def _part(found: Recorded | None) -> FaqKept | None:
    event = None if found is None else opened(found.subject, found.payload)
    return event if isinstance(event, FaqKept) else None
