"""Many questions in few messages: how a book of instant answers lies in the bucket."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from schemas.persona import FaqKept
from subjects.catalog import CATALOG
from subjects.kept import faq_subject
from voicebus.bus.acks import ApiError, error_of
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened
from voicebus.bus.purge import purge
from voicebus.bus.replay import Recorded
from voicebus.errors import BusError, ConfigError, Fenced, WriteInFlight
from voicebus.personas.pairs import Pair

STREAM: Final = CATALOG[FaqKept].stream

_PART_BYTES: Final = 500_000
_MOST_BYTES: Final = 64 << 20
"""Of all questions and answers: nobody needs more memory to read them."""

_PIECE_BYTES: Final = 64_000

_TRIES: Final = 20
_ABANDONED_NS: Final = 3600 * 10**9
"""No import lasts that long."""


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


async def find(bus: Bus, name: str) -> FaqKept | None:
    """Return the first part of a persona's book: it tells which version counts.

    Raises:
        BusError: It cannot be read.
    """
    return _part(await bus.last(STREAM, faq_subject(bus.cell, name)))


async def find_all(bus: Bus, name: str, first: FaqKept) -> list[FaqKept]:
    """Return a book whose first part is known.

    Raises:
        BusError: It cannot be read, or was replaced meanwhile: parts of it are gone.
    """
    parts = [first]
    for number in range(1, first.parts):
        subject = faq_subject(bus.cell, name, first.version, number)
        part = _part(await bus.last(STREAM, subject))
        if part is None or part.version != first.version:
            raise BusError(f"the answers of {name!r} are being replaced")
        parts.append(part)
    return parts


async def put(bus: Bus, name: str, parts: Sequence[FaqKept]) -> None:
    """Put a book into the bucket, in the place of the one that is there; none: take it out.

    The book that is there stays whole until the first part of this one takes its place: who is
    interrupted has changed nothing.

    Args:
        bus: The connection, of the admin.
        name: The persona.
        parts: What :func:`packed` made.

    Raises:
        BusError: It cannot be written.
    """
    first = faq_subject(bus.cell, name)
    mine = _others_of(bus, name, parts[0] if parts else None)
    await _tidy(bus, name, mine, set())  # there may be no room else
    await _put_others(bus, name, parts)
    replaced = await (_put(bus, first, parts[0]) if parts else find(bus, name))
    # Older versions would fill the bucket, which is for personas.
    await purge(bus, STREAM, first, keep=len(parts[:1]))
    await _tidy(bus, name, mine, _others_of(bus, name, replaced))
    # Where they were there before, another import may have taken them for abandoned meanwhile.
    await _put_others(bus, name, parts)
    if parts and await find(bus, name) != parts[0]:
        # Who replaced it meanwhile may have tidied up before these were put back.
        await _tidy(bus, name, set(), mine)


async def _put_others(bus: Bus, name: str, parts: Sequence[FaqKept]) -> None:
    for part in parts[1:]:
        await _put(bus, faq_subject(bus.cell, name, part.version, part.seq), part)


async def _tidy(bus: Bus, name: str, mine: set[str], old: set[str]) -> None:
    """Take out parts of an old book, and what interrupted imports have left."""
    counts = _others_of(bus, name, await find(bus, name))
    for subject in sorted(await _beside(bus, name) - mine - counts):
        if subject in old or await _is_abandoned(bus, subject):
            await purge(bus, STREAM, subject)


def _others_of(bus: Bus, name: str, first: FaqKept | None) -> set[str]:
    """Return where the parts behind a first one are."""
    if first is None:
        return set()
    version = first.version
    return {faq_subject(bus.cell, name, version, number) for number in range(1, first.parts)}


async def _is_abandoned(bus: Bus, subject: str) -> bool:
    """Say whether a part is what an interrupted import has left, not what one writes just now."""
    found = await bus.last(STREAM, subject)
    return found is not None and time.time_ns() - found.stored_ns > _ABANDONED_NS


async def _beside(bus: Bus, name: str) -> set[str]:
    """Return where parts of a persona's books are, all but first ones, of whatever version."""
    any_part = faq_subject(bus.cell, "*").removesuffix("_0")
    body = msgspec.json.encode({"subjects_filter": any_part})
    answer = await bus.request(f"$JS.API.STREAM.INFO.{STREAM}", body)
    info = msgspec.json.decode(answer, type=_Info)
    if info.error is not None:
        raise error_of(info.error)
    first = faq_subject(bus.cell, name)
    theirs = re.compile(re.escape(first.removesuffix("_0")) + r"_[0-9a-f]{12}_[1-9][0-9]*")
    return {subject for subject in info.state.subjects if theirs.fullmatch(subject)}


class _State(msgspec.Struct, frozen=True):
    subjects: dict[str, int] = {}


class _Info(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    state: _State = _State()


async def _put(bus: Bus, subject: str, part: FaqKept) -> FaqKept | None:
    """Put a part where it belongs; return what was there before, if that was something else."""
    for _ in range(_TRIES):
        newest = await bus.last(STREAM, subject)
        before = _part(newest)
        if before == part:
            return None
        try:
            await bus.keep(part, subject, 0 if newest is None else newest.sequence)
        except (Fenced, WriteInFlight):
            await asyncio.sleep(0.05)
            continue
        return before
    raise Fenced("others write these answers at the same time; try again")


def _part(found: Recorded | None) -> FaqKept | None:
    event = None if found is None else opened(found.subject, found.payload)
    return event if isinstance(event, FaqKept) else None
