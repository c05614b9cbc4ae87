"""How a command reaches the ``voicebus up`` that runs on this machine: a socket in its data folder.

Whoever may open the folder may use it, and nobody else. One line is asked, lines are answered, and
the last one is ``ok`` or begins with ``failed``.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from voicebus.errors import ConfigError, VoicebusError

_NAME: Final = "control.sock"
_LONGEST: Final = 100
"""The kernel takes paths of sockets up to 107 bytes."""

Tell = Callable[[str], None]
Handle = Callable[[Sequence[str], Tell], Awaitable[None]]
"""Takes the words of an order and a function that tells of its progress; raises VoicebusError."""


def socket_in(folder: Path) -> Path:
    """Return the path of the socket in a data folder; relative where the folder's own is too long.

    Raises:
        ConfigError: There is no path to it that is short enough.
    """
    for path in (folder / _NAME, Path(os.path.relpath(folder / _NAME))):
        if len(os.fsencode(path)) <= _LONGEST:
            return path
    raise ConfigError(f"the path of {folder} is too long for a socket: set VOICEBUS_UP_DATA_DIR")


@asynccontextmanager
async def listening(folder: Path, handle: Handle) -> AsyncIterator[None]:
    """Take orders, one after the other, while the context lasts.

    Raises:
        ConfigError: The folder's path is too long.
    """
    path, one_at_a_time = socket_in(folder), asyncio.Lock()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def tell(line: str) -> None:
            writer.write(f"{line}\n".encode())

        with suppress(ConnectionError):
            try:
                words = shlex.split((await reader.readline()).decode())
                async with one_at_a_time:
                    await handle(words, tell)
                tell("ok")
            except (VoicebusError, ValueError) as error:
                tell(f"failed: {error}")
            await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)  # of one that was killed; the folder's lock says that it is gone
    mask = os.umask(0o077)
    try:
        server = await asyncio.start_unix_server(serve, path)
    finally:
        os.umask(mask)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def order(folder: Path, words: Sequence[str], tell: Tell) -> bool:
    """Give an order; return whether it was carried out.

    Raises:
        ConfigError: Nobody takes orders in this folder.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_in(folder))
    except OSError as err:
        raise ConfigError(f"no `voicebus up` runs in {folder}") from err
    try:
        writer.write(f"{shlex.join(words)}\n".encode())
        last = ""
        while line := (await reader.readline()).decode().rstrip("\n"):
            last = line
            if line != "ok":
                tell(line)
        return last == "ok"
    finally:
        writer.close()
