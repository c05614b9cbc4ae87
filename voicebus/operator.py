"""How a person's command reaches the bus: as the settings say, or as a user of what runs here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from voicebus import settings
from voicebus.bus.client import Bus, connect
from voicebus.credentials import seed_of
from voicebus.errors import BusUnavailable
from voicebus.settings import PREFIX, BusSettings
from voicebus.supervisor import UpSettings

_SAYS_WHERE: Final = ("NATS_URL", "NATS_USER", "NATS_NKEY_FILE")
_WORD: Final = "bus.json"
_CONNECT_S: Final = 5.0
"""A person does not wait for a bus that is not there, as processes do."""


class Word(Struct, frozen=True, kw_only=True):
    """What ``voicebus up`` leaves in its data folder: where its bus is.

    Fields
        nats_url: Its servers, separated by commas.
        replicas: Copies of each of its streams.
    """

    nats_url: str
    replicas: int = 1


def leave_word(folder: Path, word: Word) -> None:
    """Let the commands of this machine know of a bus.

    What a system leaves that is killed is wrong until the next one starts.
    """
    (folder / _WORD).write_bytes(msgspec.json.encode(word))


def take_word_back(folder: Path) -> None:
    """The bus is no more."""
    (folder / _WORD).unlink(missing_ok=True)


def bus_settings(environ: Mapping[str, str], user: str) -> BusSettings:
    """Return how to connect.

    Where the environment says nothing of the bus, it is that of ``voicebus up`` on this machine,
    and whoever may read its data folder may be any of its users.

    Args:
        environ: The environment.
        user: Whom the command needs to be: ``admin`` or ``monitor``.

    Raises:
        ConfigError: A setting is wrong.
    """
    chosen = settings.read(BusSettings, environ)
    up = settings.read(UpSettings, environ, "UP_")
    seed = seed_of(up.users(), user)
    if any(PREFIX + name in environ for name in _SAYS_WHERE) or not seed.exists():
        return chosen
    url = f"nats://127.0.0.1:{up.nats_port}" if up.nats_port else chosen.nats_url
    word = _word_in(up.folder()) or Word(nats_url=url, replicas=chosen.replicas)
    return msgspec.structs.replace(
        chosen, nats_url=word.nats_url, replicas=word.replicas, nats_nkey_file=str(seed)
    )


@asynccontextmanager
async def connected(user: str, name: str) -> AsyncIterator[Bus]:
    """Be connected to that bus while the context lasts.

    Args:
        user: Whom the command needs to be.
        name: Of the command, shown in the server's monitoring.

    Raises:
        BusUnavailable: Nobody answers there.
        ConfigError: A setting is wrong.
    """
    chosen = bus_settings(os.environ, user)
    try:
        async with asyncio.timeout(_CONNECT_S):
            bus = await connect(chosen, name)
    except TimeoutError as err:
        raise BusUnavailable(f"no bus answers at {chosen.shown_url}") from err
    # What it would end with, a closed connection, the command itself is told by what it asks for.
    watching = asyncio.ensure_future(bus.watch())
    try:
        yield bus
    finally:
        watching.cancel()
        await asyncio.wait((watching,))
        await bus.close()


def _word_in(folder: Path) -> Word | None:
    try:
        return msgspec.json.decode((folder / _WORD).read_bytes(), type=Word)
    except (FileNotFoundError, msgspec.DecodeError):
        return None  # no system runs here, or it is about to say so
