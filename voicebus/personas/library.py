"""Where personas are found: a folder first, then the bucket on the bus.

A session asks once, at its beginning, so nobody watches anything: what an author has changed counts
from the next session on. A version with an error changes nothing, and nobody else: the last good
one stays in use, and the log says what is wrong, with file and line, once for each version.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from schemas.persona import PersonaKept, Traits
from subjects.catalog import CATALOG
from subjects.kept import persona_subject
from subjects.tokens import is_token
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.errors import ConfigError, PersonaUnknown
from voicebus.personas.books import Books
from voicebus.personas.text import file_text, kept_text, read, version_of

log: Final = structlog.get_logger()

STREAM: Final = CATALOG[PersonaKept].stream


class Library:
    """The personas that one process knows.

    Args:
        folder: With a file ``NAME.md`` for each; None: there is none.

    Attributes:
        books: Their instant answers.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.books: Final = Books(folder)
        self._good: dict[str, Traits] = {}
        self._wrong: dict[str, str] = {}

    async def find(self, bus: Bus, name: str) -> Traits:
        """Return a persona as it is by now.

        Raises:
            PersonaUnknown: There is none of this name, or none that ever was without error.
            BusError: The bucket cannot be read.
        """
        if not is_token(name):
            raise PersonaUnknown(f"there is no persona {name!r}")
        if self._folder is not None:
            path = self._folder / f"{name}.md"
            try:
                text = await asyncio.to_thread(file_text, path)
            except ConfigError as err:
                return self._refused(name, str(err), err)
            if text is not None:
                return self._read(name, text, str(path))
        return await self._in_bucket(bus, name)

    async def _in_bucket(self, bus: Bus, name: str) -> Traits:
        subject = persona_subject(bus.cell, name)
        newest = await bus.last(STREAM, subject)
        if newest is None or not (text := kept_text(newest)):
            self._good.pop(name, None)
            raise PersonaUnknown(f"there is no persona {name!r}")
        try:
            return self._read(name, text, f"{name}.md")
        except PersonaUnknown:
            # This process has seen no good version of it; the bucket may have one.
            kept = [message async for message in bus.read_raw(STREAM, subject)]
            for message in reversed(kept[:-1]):
                if older := _readable(kept_text(message), name):
                    self._good[name] = older
                    return older
            raise

    def _read(self, name: str, text: str, where: str) -> Traits:
        known, version = self._good.get(name), version_of(text)
        if known is not None and known.version == version:
            return known
        try:
            if self._wrong.get(name) == version:
                raise ConfigError(where)
            traits = read(text, name, where)
        except ConfigError as err:
            return self._refused(name, version, err)
        self._good[name] = traits
        self._wrong.pop(name, None)
        log.info("persona.read", persona=name, version=version)
        return traits

    def _refused(self, name: str, version: str, err: ConfigError) -> Traits:
        """Say once what is wrong with a version; return the last one that was good."""
        known = self._good.get(name)
        if self._wrong.get(name) != version:
            self._wrong[name] = version
            metrics.PERSONAS_REFUSED.inc()
            kept = known.version if known is not None else ""
            log.error("persona.unreadable", persona=name, error=str(err), in_use=kept)
        if known is None:
            raise PersonaUnknown(f"the persona {name!r} cannot be used") from err
        return known


def library_in(folder: str) -> Library:
    """Return the library of a folder; empty: of the bucket alone.

    Raises:
        ConfigError: There is no such folder.
    """
    path = Path(folder).expanduser()
    if folder and not path.is_dir():
        raise ConfigError(f"VOICEBUS_TURN_PERSONAS_DIR={folder!r}: there is no such folder")
    return Library(path if folder else None)


def _readable(text: str, name: str) -> Traits | None:
    try:
        return read(text, name, name) if text else None
    except ConfigError:
        return None
