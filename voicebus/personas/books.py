"""The instant answers of personas, read when they are first needed and again when they changed.

To read many takes seconds. That is done aside, in a thread that lets others run; meanwhile a
session has the former answers, or none, and the language model answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from schemas.persona import Traits
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.errors import BusError, ConfigError
from voicebus.personas import parts
from voicebus.personas.pairs import SUFFIXES, Pair, read_pairs

if TYPE_CHECKING:
    from voicebus.personas.faq import Faq

log: Final = structlog.get_logger()

_WAIT_S: Final = 0.2
"""How long the beginning of a session waits for answers that are read: hundreds are there then."""

Read = Callable[[], Awaitable[list[Pair]]]


class Book:
    """What one persona answers at once, as of now."""

    def __init__(self) -> None:
        self.faq: Faq | None = None
        self.version = ""

    def answer(self, question: str) -> str:
        """Return the answer to a question; empty for none."""
        found = None if self.faq is None else self.faq.find(question)
        return "" if found is None else found.answer


class Books:
    """The books that one process has read.

    Args:
        folder: With a file ``NAME.faq.csv`` (.tsv, .jsonl) for each; None: there is none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._books: dict[str, Book] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def of(self, bus: Bus, traits: Traits) -> Book | None:
        """Return what a persona answers at once; None where that is nothing.

        Raises:
            BusError: The bucket cannot be read.
        """
        found = await self._found(bus, traits.name)
        if found is None:
            self._books.pop(traits.name, None)
            return None
        version, read = found
        version = f"{version} {traits.faq.least:g}"
        book = self._books.setdefault(traits.name, Book())
        if book.version != version and traits.name not in self._reading:
            task = asyncio.create_task(self._fill(book, version, traits, read))
            self._reading[traits.name] = task
            task.add_done_callback(lambda _: self._reading.pop(traits.name, None))
        reading = self._reading.get(traits.name)
        if reading is not None:
            await asyncio.wait((reading,), timeout=_WAIT_S)
        return book

    async def _found(self, bus: Bus, name: str) -> tuple[str, Read] | None:
        """Return the version of what is there, and how it is read."""
        if self._folder is not None:
            there = await asyncio.to_thread(_file_of, self._folder, name)
            if there is not None:
                path, stamp = there
                return stamp, lambda: asyncio.to_thread(read_file, path)
        first = await parts.find(bus, name)
        if first is None:
            return None

        async def read() -> list[Pair]:
            whole = await parts.find_all(bus, name, first)
            return await asyncio.to_thread(parts.unpacked, whole)

        return first.version, read

    async def _fill(self, book: Book, version: str, traits: Traits, read: Read) -> None:
        try:
            pairs = await read()
            book.faq = await asyncio.to_thread(built, pairs, traits.faq.least)
        except (ConfigError, BusError) as err:
            metrics.PERSONAS_REFUSED.inc()
            log.error("faq.unreadable", persona=traits.name, error=str(err))
            if isinstance(err, BusError):
                return  # the next session tries again
        except Exception:
            # Tried again at each session it would cost each of them seconds, to no other end.
            metrics.PERSONAS_REFUSED.inc()
            log.exception("faq.unreadable", persona=traits.name, version=version)
        else:
            log.info("faq.read", persona=traits.name, version=version, questions=len(book.faq))
        book.version = version


def read_file(path: Path) -> list[Pair]:
    """Return what a file says. May block for a second.

    Raises:
        ConfigError: It cannot be read, or a line of it is no question; names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: this is no text in UTF-8: {err.reason}") from err
    return list(read_pairs(text, path.suffix, str(path)))


def _file_of(folder: Path, name: str) -> tuple[Path, str] | None:
    for suffix in SUFFIXES:
        path = folder / f"{name}.faq{suffix}"
        try:
            found = path.stat()
        except OSError:
            continue
        return path, f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"
    return None


def built(pairs: list[Pair], least: float) -> Faq:
    """Return a book that can be searched. May take seconds.

    Raises:
        ConfigError: What searches it is not installed.
    """
    try:
        # Who has no instant answers loads no search.
        from voicebus.personas import faq  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"instant answers need {err.name}, which is not installed: see README, extras"
        ) from err
    return faq.Faq(pairs, least)
