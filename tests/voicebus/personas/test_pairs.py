"""Files of questions and answers, and how they lie in the bucket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.event import Event
from schemas.persona import FaqKept, Traits
from subjects.kept import faq_subject
from subjects.tokens import new_token
from tests.workers import bus_in
from voicebus.bus.client import Bus
from voicebus.errors import BusError, ConfigError
from voicebus.personas import parts
from voicebus.personas.books import Book, Books
from voicebus.personas.pairs import Pair, read_pairs

SHOP = Traits(name="shop")
CSV = 'question,answer\nWhen?,"At five, sharp."\nAt what time?,\nWhere?,Here.\n'
PAIRS = [Pair("When?", "At five, sharp."), Pair("At what time?", "At five, sharp.")]


@pytest.fixture
async def bus(nats_server: str) -> AsyncIterator[Bus]:
    """A connection in a cell of its own."""
    async with bus_in(nats_server, new_token("c")) as bus:
        yield bus


def packed_in_parts(answer: str) -> list[FaqKept]:
    """A book of few questions that lies in three parts."""
    part = parts.packed([Pair("When?", answer)])[0]
    pieces = (part.data[:10], part.data[10:20], part.data[20:])
    return [replace(part, parts=3, seq=seq, data=data) for seq, data in enumerate(pieces)]


async def ready(books: Books, bus: Bus, question: str, answer: str) -> Book:
    """Wait until a question has this answer."""
    async with asyncio.timeout(10):
        while True:
            book = await books.of(bus, SHOP)
            if book is not None and book.answer(question) == answer:
                return book


def test_a_row_without_an_answer_asks_in_other_words() -> None:
    """The columns are named in the first line; what has a comma in it is quoted."""
    assert list(read_pairs(CSV, ".csv", "f")) == [*PAIRS, Pair("Where?", "Here.")]
    assert list(read_pairs("question\tanswer\nWhen, then?\tNow.", ".tsv", "f")) == [
        Pair("When, then?", "Now.")
    ]


def test_a_line_of_json_may_ask_in_many_words() -> None:
    """As programs write it."""
    text = '{"question": ["When?", "At what time?"], "answer": "At five, sharp."}\n\n'

    assert list(read_pairs(text, ".jsonl", "f")) == PAIRS


@pytest.mark.parametrize(
    ("text", "suffix", "told"),
    [
        ("When?,Now.", ".csv", "f:1: the first line must be question,answer"),
        ("question,answer\nWhen?,", ".csv", "f:2: there is no answer"),
        ("question,answer\nWhen?,At five, sharp.", ".csv", "f:2: 3 columns: put what has"),
        ("question,answer\n,Now.", ".csv", "f:2: there is no question"),
        (f"question,answer\nWhen?,{'x' * 1001}", ".csv", "f:2: the answer has 1001 characters"),
        ('{"question": "When?"}', ".jsonl", "f:1: Object missing required field `answer`"),
        ('{"question": [], "answer": "x"}', ".jsonl", "f:1: there is no question"),
        ("\n{", ".jsonl", "f:2: Input data was truncated"),
        ("x", ".txt", "expected a file that ends in .csv, .tsv, .jsonl"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, suffix: str, told: str) -> None:
    """Whoever wrote the file knows where to look."""
    with pytest.raises(ConfigError) as err:
        list(read_pairs(text, suffix, "f"))
    assert told in str(err.value)


@pytest.mark.parametrize("count", [0, 1, 4_000])
def test_a_book_is_read_in_pieces(count: int) -> None:
    """A thread that decodes all of it in one call would keep every other one waiting."""
    pairs = [Pair(f"What is number {number}?", "x" * (number % 90)) for number in range(count)]
    lines = msgspec.json.Encoder().encode_lines(pairs)

    pieces = [*parts._pieces(lines)]

    assert b"".join(pieces) == lines
    assert all(piece.endswith(b"\n") and len(piece) < 65_000 for piece in pieces)
    assert len(pieces) >= len(lines) / 65_000
    assert parts.unpacked(parts.packed(pairs)) == pairs


async def test_a_large_book_lies_in_several_parts(bus: Bus) -> None:
    """And comes out as it went in; a smaller one that follows leaves nothing of it behind."""
    pairs = [Pair(f"{new_token('q')}{new_token('q')}", new_token("a") * 40) for _ in range(20_000)]
    packed = parts.packed(pairs)
    await parts.put(bus, "shop", packed)
    first = await parts.find(bus, "shop")

    assert first is not None
    assert first.parts == len(packed) > 1
    assert parts.unpacked(await parts.find_all(bus, "shop", first)) == pairs
    await parts.put(bus, "shop", parts.packed(PAIRS))
    with pytest.raises(BusError, match="being replaced"):
        await parts.find_all(bus, "shop", first)
    await parts.put(bus, "shop", ())
    assert await parts.find(bus, "shop") is None


class Interrupted(Exception):
    """Whoever imports is gone in the middle of it."""


@pytest.mark.parametrize("written", [0, 1, 2])
async def test_an_interrupted_import_leaves_the_book_that_was_there(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """At whichever part it breaks off; what it has left is gone with one of the next day."""
    old, new = (packed_in_parts(name) for name in ("old", "new"))
    await parts.put(bus, "shop", old)
    keep, done = bus.keep, list[str]()

    async def kept(event: Event, subject: str, last: int) -> int:
        if len(done) == written:
            raise Interrupted
        done.append(subject)
        return await keep(event, subject, last)

    with monkeypatch.context() as patch:
        patch.setattr(bus, "keep", kept)
        with pytest.raises(Interrupted):
            await parts.put(bus, "shop", new)
    first = await parts.find(bus, "shop")
    assert first == old[0]
    assert await parts.find_all(bus, "shop", first) == old
    assert len(await parts._beside(bus, "shop")) == len(old[1:]) + written
    await parts.put(bus, "shop", old)
    assert len(await parts._beside(bus, "shop")) == len(old[1:]) + written
    monkeypatch.setattr(parts, "_ABANDONED_NS", 0)
    await parts.put(bus, "shop", old)
    assert len(await parts._beside(bus, "shop")) == len(old[1:])


async def test_two_who_import_at_the_same_time_leave_one_whole_book(bus: Bus) -> None:
    """Whose it is nobody knows."""
    books = [packed_in_parts(name) for name in ("a", "b")]

    for _ in range(10):
        await asyncio.gather(*(parts.put(bus, "shop", book) for book in books))
        first = await parts.find(bus, "shop")
        assert first is not None
        assert await parts.find_all(bus, "shop", first) in books
        assert len(await parts._beside(bus, "shop")) == 2


async def test_who_was_overtaken_at_the_end_leaves_nothing(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It puts its parts back, and another import has taken them out already."""
    old, new = (packed_in_parts(name) for name in ("old", "new"))
    tidy, tidied = parts._tidy, list[str]()

    async def overtaken(where: Bus, name: str, mine: set[str], replaced: set[str]) -> None:
        await tidy(where, name, mine, replaced)
        tidied.append(name)
        if len(tidied) == 2:
            monkeypatch.undo()
            await parts.put(bus, "shop", new)

    monkeypatch.setattr(parts, "_tidy", overtaken)
    await parts.put(bus, "shop", old)

    first = await parts.find(bus, "shop")
    assert first is not None
    assert await parts.find_all(bus, "shop", first) == new
    assert len(await parts._beside(bus, "shop")) == len(new) - 1


async def test_who_imports_again_what_counts_has_it_whole(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another import takes the place of the book, and its parts out, in between."""
    old, new = (packed_in_parts(name) for name in ("old", "new"))
    await parts.put(bus, "shop", old)
    last, asked = bus.last, list[str]()

    async def overtaken(stream: str, subject: str) -> Any:
        asked.append(subject)
        if subject == faq_subject(bus.cell, "shop") and len(asked) > len(old):
            monkeypatch.undo()
            await parts.put(bus, "shop", new)
        return await last(stream, subject)

    monkeypatch.setattr(bus, "last", overtaken)
    await parts.put(bus, "shop", old)

    first = await parts.find(bus, "shop")
    assert first == old[0]
    assert await parts.find_all(bus, "shop", first) == old
    assert await parts._beside(bus, "shop") == parts._others_of(bus, "shop", first)


async def test_what_an_interrupted_import_left_makes_room_before_the_next(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket is small: a book that would fit beside the one that counts is not refused."""
    old, left, new = (packed_in_parts(name) for name in ("old", "left", "new"))
    await parts.put(bus, "shop", old)
    for part in left[1:]:
        await parts._put(bus, faq_subject(bus.cell, "shop", part.version, part.seq), part)
    monkeypatch.setattr(parts, "_ABANDONED_NS", 0)
    beside: list[int] = []
    keep = bus.keep

    async def kept(event: Event, subject: str, last: int) -> int:
        beside.append(len(await parts._beside(bus, "shop")))
        return await keep(event, subject, last)

    monkeypatch.setattr(bus, "keep", kept)
    await parts.put(bus, "shop", new)

    assert beside[0] == len(old[1:])


def test_parts_of_two_personas_never_share_a_subject() -> None:
    """Whatever they are called."""
    version = "0" * 12

    assert faq_subject("c", f"shop_{version}_1") != faq_subject("c", "shop", version, 1)
    assert faq_subject("c", f"shop_{version}") != faq_subject("c", "shop", version, 1)
    assert faq_subject("c", "shop", "1" * 12) == faq_subject("c", "shop", version)


async def test_answers_are_read_again_when_they_changed(bus: Bus, tmp_path: Path) -> None:
    """From the folder, and else from the bucket; one with an error changes nothing."""
    books, path = Books(tmp_path), tmp_path / "shop.faq.csv"
    assert await books.of(bus, SHOP) is None
    await parts.put(bus, "shop", parts.packed([Pair("When?", "From the bucket.")]))
    await ready(books, bus, "when", "From the bucket.")
    path.write_text(CSV)
    await ready(books, bus, "when", "At five, sharp.")
    path.write_text("question,answer\nWhen?")

    for _ in range(2):
        book = await books.of(bus, SHOP)
        assert book is not None
        assert book.answer("when") == "At five, sharp."
    path.write_text("question,answer\nWhen?,Never.")
    await ready(books, bus, "when", "Never.")


async def test_a_book_that_fails_in_a_way_that_nobody_foresaw_is_read_once(
    bus: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the cost of every session; what was read before stays, and a newer one is tried."""
    path, tried = tmp_path / "shop.faq.csv", list[Path]()

    def fail(path: Path) -> list[Pair]:
        tried.append(path)
        raise MemoryError

    books = Books(tmp_path)
    path.write_text(CSV)
    await ready(books, bus, "when", "At five, sharp.")
    with monkeypatch.context() as patch:
        patch.setattr("voicebus.personas.books.read_file", fail)
        path.write_text("question,answer\nWhen?,Who knows.")
        for _ in range(3):
            await ready(books, bus, "when", "At five, sharp.")
            assert len(tried) == 1
    path.write_text("question,answer\nWhen?,Never.")
    await ready(books, bus, "when", "Never.")
