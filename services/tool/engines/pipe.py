"""An MCP server that is run by a command and spoken to by its standard input and output.

The library has such a transport, which holds a line of any length and cuts it anew with each piece
that comes: ten megabytes hold up everybody. Here what is too long is passed over, and whoever asked
for it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import anyio
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import INTERNAL_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter

from services.tool.engines.lines import MOST_BYTES, Lines, TooLong

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    Arrived = MemoryObjectSendStream[SessionMessage | Exception]
    Arrivals = MemoryObjectReceiveStream[SessionMessage | Exception]
    Wished = MemoryObjectReceiveStream[SessionMessage]
    Wishes = MemoryObjectSendStream[SessionMessage]

_PIECE_BYTES: Final = 1 << 16
_PATIENCE_S: Final = 2.0
"""So long a server has to end by itself, then when it is asked to, then when it is killed."""
_LOOK_S: Final = 0.01

_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError)


@contextlib.asynccontextmanager
async def piped(
    command: Sequence[str], env: Mapping[str, str]
) -> AsyncIterator[tuple[Arrivals, Wishes]]:
    """Run a server, and speak to it while the context lasts.

    Args:
        command: Program and arguments.
        env: Environment variables, besides the few that the library deems harmless.

    Raises:
        OSError: It cannot be run.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**get_default_environment(), **env},
        start_new_session=True,
    )
    arrived, arrivals = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    wishes, wished = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as group:
        group.start_soon(_read, process, arrived)
        group.start_soon(_write, process, wished, arrived)
        try:
            yield arrivals, wishes
        finally:
            # Also where whoever speaks to it is cancelled: it would go on for ever.
            with anyio.CancelScope(shield=True):
                for stream in (arrivals, wishes):
                    await stream.aclose()
                await _end(process)
            group.cancel_scope.cancel()


async def _read(process: asyncio.subprocess.Process, arrived: Arrived) -> None:
    assert process.stdout is not None
    lines = Lines()
    async with arrived:
        with contextlib.suppress(*_GONE):
            while data := await process.stdout.read(_PIECE_BYTES):
                for line in lines.push(data):
                    message = _parsed(line)
                    if message is not None:
                        await arrived.send(message)
            return
    # Nobody listens any more: it may have more to say before it can end.
    while await process.stdout.read(_PIECE_BYTES):
        continue


def _parsed(line: bytes | TooLong) -> SessionMessage | Exception | None:
    if isinstance(line, TooLong):
        if line.answers is None:
            return None  # whoever waits for it is told that it is late
        told = f"the result is larger than {MOST_BYTES >> 20} MB"
        error = ErrorData(code=INTERNAL_ERROR, message=told)
        return SessionMessage(JSONRPCError(jsonrpc="2.0", id=line.answers, error=error))
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as err:
        return err


async def _write(process: asyncio.subprocess.Process, wished: Wished, arrived: Arrived) -> None:
    assert process.stdin is not None
    try:
        async with wished:
            async for wish in wished:
                text = wish.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{text}\n".encode())
                await process.stdin.drain()
    except OSError:
        await arrived.aclose()  # or what was asked would be waited for


async def _end(process: asyncio.subprocess.Process) -> None:
    """Have the server end: it is not asked any more, then told to, then killed with all it runs."""
    assert process.stdin is not None
    process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if await _has_ended(process):
            break
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
    await _has_ended(process)
    # One that it has started may hold its pipes open.
    process._transport.close()  # type: ignore[attr-defined]


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    # Not by wait(): that waits for the pipes, too.
    with anyio.move_on_after(_PATIENCE_S):
        while process.returncode is None:  # noqa: ASYNC110 - nothing else tells of it
            await anyio.sleep(_LOOK_S)
    return process.returncode is not None
