"""Functions of MCP servers, by standard input and output or by Streamable HTTP.

The library: https://py.sdk.modelcontextprotocol.io
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import httpx2
import msgspec
import structlog
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, PARSE_ERROR

from schemas.llm import Tool
from schemas.tool import ToolsKept
from services.tool.engine import Result
from services.tool.engines.bounded import PLAIN, bound
from services.tool.engines.pipe import piped
from services.tool.settings import ServerSettings, matches
from voicebus.errors import (
    BusError,
    EngineError,
    EngineTimeout,
    EngineUnavailable,
    RequestRefused,
)
from voicebus.redaction import Mask, own_secrets

if TYPE_CHECKING:
    from mcp.types import RequestParamsMeta

log: Final = structlog.get_logger()

_CONNECT_S: Final = 20.0
_ANSWER_S: Final = 20.0
"""So long a server that has nothing else to do may take to say that it is there."""
_MOST_TOOLS: Final = 500
_LOOK_S: Final = 10.0
"""How often a server is asked whether it is there; at once, where a call has failed."""

_REFUSED: Final = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND})
"""Errors of the protocol with which a server says that it has not begun. Others the library uses
itself, for an answer that it cannot read."""
_UNREADABLE: Final = "validation error"
"""So the library says by HTTP that an answer is no JSON-RPC, and shows what it was. One that is too
large has the same code, and that may be told."""

_ADDRESS: Final = re.compile(
    r"(?P<scheme>\bhttps?://)(?:[^\s/?#@'\"]*@)?(?P<host>[^\s/?#@'\"]+)[^\s'\"]*", re.IGNORECASE
)
_SHORTEST: Final = 6
"""What is shorter would hide parts of other words."""

Known = Callable[[str, ToolsKept], Awaitable[None]]
"""Is told which functions a server has."""


class McpServer:
    """An :class:`services.tool.engine.Engine` that is an MCP server.

    Args:
        name: Its name.
        settings: How it is reached.
        again_s: How long after it was lost it is connected to again.
    """

    def __init__(self, name: str, settings: ServerSettings, again_s: float) -> None:
        self._name = name
        self._settings = settings
        self._again_s = again_s
        self._mask = Mask(_secrets_of(settings))
        self._client: Client | None = None
        self._doubt = asyncio.Event()
        self._due_s: list[float] = []
        """Deadlines of the calls that are being made, by the loop's clock."""

    @property
    def is_connected(self) -> bool:
        """Whether it can be called now."""
        return self._client is not None

    async def run(self, known: Known) -> None:
        """Keep the connection up. Runs until cancelled.

        Args:
            known: Is told which functions it has, when it was connected to and when they changed.
        """
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S) as opening, self._connected() as client:
                    kept = self._kept(await _listed(client))
                    opening.reschedule(None)
                    self._client = client
                    log.info("tools.connected", server=self._name, tools=len(kept.tools))
                    news = asyncio.Queue[ToolsKept]()
                    news.put_nowait(kept)
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._tell(known, news))
                        await self._watch(client, kept, news)
            except asyncio.CancelledError:
                raise
            except Exception as err:
                # Whatever a server does, or the library with it: others go on.
                log.warning("tools.lost", server=self._name, error=self._said(err))
            finally:
                self._client = None
            await asyncio.sleep(self._again_s)

    async def call(
        self, name: str, arguments: dict[str, Any], call: str, timeout_s: float
    ) -> Result:
        """Call a function; see :meth:`services.tool.engine.Engine.call`."""
        client = self._client
        if client is None:
            raise EngineUnavailable(f"the server {self._name!r} cannot be reached")
        if not matches(name, self._settings.allow):
            raise RequestRefused(f"the function {name!r} may not be called")
        due_s = asyncio.get_running_loop().time() + timeout_s
        self._due_s.append(due_s)
        try:
            async with asyncio.timeout_at(due_s):
                meta = cast("RequestParamsMeta", {"voicebus/call": call})
                done = await client.call_tool(
                    name, arguments, read_timeout_seconds=timeout_s, meta=meta
                )
        except TimeoutError as err:
            self._doubt.set()
            raise EngineTimeout(f"no result within {timeout_s:g} s") from err
        except MCPError as err:
            self._doubt.set()
            if err.code == PARSE_ERROR and _UNREADABLE in f"{err}":
                raise self._no_result(err) from err
            refusal = RequestRefused if err.code in _REFUSED else EngineError
            raise refusal(self._public(f"{err}")) from err
        except Exception as err:
            self._doubt.set()
            raise self._no_result(err) from err
        finally:
            self._due_s.remove(due_s)
        text = "\n".join(_text(block) for block in done.content)
        if not text and done.structured_content is not None:
            text = msgspec.json.encode(done.structured_content).decode()
        return Result(f"error: {text}" if done.is_error else text, failed=done.is_error)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            if settings.command:
                reached: Any = piped(settings.command, settings.env)
            else:
                # A call may be silent for as long as it may take.
                patience = httpx2.Timeout(_CONNECT_S, read=_CONNECT_S + settings.timeout_s)
                http = httpx2.AsyncClient(
                    headers={**PLAIN, **settings.headers},
                    timeout=patience,
                    event_hooks={"response": [bound]},
                )
                await stack.enter_async_context(http)
                reached = streamable_http_client(settings.url, http_client=http)
            yield await stack.enter_async_context(Client(reached))

    async def _tell(self, known: Known, news: asyncio.Queue[ToolsKept]) -> None:
        """Let it be known which functions there are, as soon as the bus takes it."""
        while True:
            kept = await news.get()
            while True:
                while not news.empty():
                    kept = news.get_nowait()
                try:
                    await known(self._name, kept)
                except BusError as err:  # no fault of the server, which goes on
                    log.warning("tools.untold", server=self._name, error=str(err))
                    await asyncio.sleep(self._again_s)
                else:
                    break

    async def _watch(self, client: Client, kept: ToolsKept, news: asyncio.Queue[ToolsKept]) -> None:
        """Ask the server now and then what it has; raises once it does not answer.

        One that does one thing after the other answers when it has done what it was asked before,
        and for that it has the time that was given to it.
        """
        clock = asyncio.get_running_loop().time
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._doubt.wait()
            self._doubt.clear()
            async with asyncio.timeout_at(max([clock(), *self._due_s]) + _ANSWER_S):
                found = self._kept(await _listed(client))
            if found != kept:
                log.info("tools.changed", server=self._name, tools=len(found.tools))
                kept = found
                news.put_nowait(kept)

    def _no_result(self, err: Exception) -> EngineError:
        """Return the error of an answer that is none; what it was stands in the log only."""
        log.warning("tools.broken", server=self._name, error=self._said(err))
        return EngineError("the server's answer is no result")

    def _said(self, err: BaseException) -> str:
        """Return what went wrong, for the log."""
        deepest = _deepest(err)
        return self._public(f"{type(deepest).__name__}: {deepest}")

    def _public(self, text: str) -> str:
        """Return what the library says without what only this worker may know.

        An address is shown up to its host: keys stand in front of it, in the path and behind it.
        """
        return _ADDRESS.sub(r"\g<scheme>\g<host>/…", self._mask.text(text))[:500]

    def _kept(self, tools: list[Tool]) -> ToolsKept:
        settings = self._settings
        allowed = tuple(tool for tool in tools if matches(tool.name, settings.allow))
        repeatable = tuple(t.name for t in allowed if matches(t.name, settings.repeatable))
        return ToolsKept(tools=allowed, repeatable=repeatable, timeout_s=settings.timeout_s)


async def _listed(client: Client) -> list[Tool]:
    found: list[Tool] = []
    cursor: str | None = None
    while len(found) < _MOST_TOOLS:
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        found += [
            Tool(
                name=tool.name,
                description=tool.description or "",
                parameters=msgspec.json.encode(tool.input_schema).decode(),
            )
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if not cursor:
            break
    return found[:_MOST_TOOLS]


def _text(block: object) -> str:
    text = getattr(block, "text", None)
    return text if isinstance(text, str) else f"[{getattr(block, 'type', 'something')}]"


def _secrets_of(settings: ServerSettings) -> tuple[str, ...]:
    """Return what a server is told that nobody else is to know."""
    told = {one.strip() for one in (*settings.headers.values(), *own_secrets(settings.env))}
    return tuple(sorted((one for one in told if len(one) >= _SHORTEST), key=len, reverse=True))


def _deepest(err: BaseException) -> BaseException:
    """Return what went wrong, however deep in a group it is."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return err
