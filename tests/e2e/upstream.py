"""A language model server in a thread of the test's own: it answers as a script says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from voicebus.health import QuietServer, bind

Script = Callable[["LanguageModel", Request, list[dict[str, str]]], Response]


class LanguageModel:
    """The server, used as a context manager.

    Attributes:
        script: Makes the answer to each request; may be exchanged at any time.
        asked: The messages of every request.
        offered: The names of the functions that each request offers.
        left: How many clients left before an answer was complete.
    """

    def __init__(self) -> None:
        self.script: Script = echo
        self.asked: list[list[dict[str, str]]] = []
        self.offered: list[list[str]] = []
        self.left = 0
        self._port = 0
        self._server: QuietServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def url(self) -> str:
        """Base URL for clients."""
        return f"http://127.0.0.1:{self._port}/v1"

    @contextmanager
    def following(self, script: Script) -> Iterator[None]:
        """Answer as another script says, for a while."""
        before, self.script = self.script, script
        try:
            yield
        finally:
            self.script = before

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections for a while."""
        self._close()
        try:
            yield
        finally:
            self._listen()

    def _listen(self) -> None:
        listener = bind("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/chat/completions", self._answer, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_config=None, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = QuietServer(config)
        self._thread = threading.Thread(target=self._run, args=(self._server, listener))
        self._thread.start()

    def _run(self, server: QuietServer, listener: socket.socket) -> None:
        asyncio.run(server.serve(sockets=[listener]))

    def _close(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join()

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "echo", "object": "model"}]})

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        messages = body["messages"]
        self.asked.append(messages)
        self.offered.append([tool["function"]["name"] for tool in body.get("tools", [])])
        return self.script(self, request, messages)


def _event(text: str, reason: str | None = None) -> str:
    return _chunk({"content": text}, reason)


def _chunk(delta: dict[str, Any], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "echo", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n"


def _streamed(events: AsyncIterator[str]) -> Response:
    return StreamingResponse(events, media_type="text/event-stream")


def echo(_: LanguageModel, __: Request, messages: list[dict[str, str]]) -> Response:
    """Say what the user said, word by word."""

    async def events() -> AsyncIterator[str]:
        for word in f"You said: {messages[-1]['content']}.".split(" "):
            yield _event(word + " ")
        yield _event("", "stop")
        yield "data: [DONE]\n\n"

    return _streamed(events())


def slowly(text: str, pause_s: float) -> Script:
    """Say this, with a pause before each word."""

    async def events() -> AsyncIterator[str]:
        for word in text.split(" "):
            await asyncio.sleep(pause_s)
            yield _event(word + " ")
        yield _event("", "stop")
        yield "data: [DONE]\n\n"

    return lambda _, __, ___: _streamed(events())


def calling(name: str, arguments: dict[str, Any]) -> Script:
    """Call a function where the request offers one, in pieces; say its result to whoever has it."""

    def script(server: LanguageModel, request: Request, messages: list[dict[str, str]]) -> Response:
        if messages[-1]["role"] == "tool" or not server.offered[-1]:
            return echo(server, request, messages)
        written = json.dumps(arguments)

        async def events() -> AsyncIterator[str]:
            told: dict[str, Any] = {"index": 0, "id": "call_1", "type": "function"}
            yield _chunk({"tool_calls": [{**told, "function": {"name": name, "arguments": ""}}]})
            for at in range(0, len(written), 5):
                piece = {"index": 0, "function": {"arguments": written[at : at + 5]}}
                yield _chunk({"tool_calls": [piece]})
            yield _chunk({}, "tool_calls")
            yield "data: [DONE]\n\n"

        return _streamed(events())

    return script


def asking(*calls: tuple[str, dict[str, Any]], then: str = "", pause_s: float = 0.0) -> Script:
    """Ask for functions at once, having said something; then say their results, word by word."""

    def script(server: LanguageModel, request: Request, messages: list[Any]) -> Response:
        is_done = messages[-1]["role"] == "tool"

        async def events() -> AsyncIterator[str]:
            results = [m["content"] for m in messages if m["role"] == "tool"]
            if is_done:
                for word in re.findall(r"\S+\s*", then or "; ".join(results)[:200] + "."):
                    yield _chunk({"content": word})
                    await asyncio.sleep(pause_s)
                yield _chunk({}, "stop")
            else:
                yield _chunk({"content": "Let me see. "})
                for index, (name, arguments) in enumerate(calls):
                    function = {"name": name, "arguments": json.dumps(arguments)}
                    wish = {"index": index, "id": f"c{index}", "type": "function"}
                    yield _chunk({"tool_calls": [{**wish, "function": function}]})
                yield _chunk({}, "tool_calls")
            yield "data: [DONE]\n\n"

        return _streamed(events())

    return script


def failing(status: int, **headers: str) -> Script:
    """Answer with an HTTP error."""

    def script(_: LanguageModel, __: Request, ___: list[dict[str, str]]) -> Response:
        body = {"error": {"message": "secret of the upstream", "code": status}}
        return JSONResponse(body, status, headers=headers)

    return script


def hanging(text: str = "") -> Script:
    """Say something, or nothing, and fall silent with the connection open."""

    def script(server: LanguageModel, _: Request, __: list[dict[str, str]]) -> Response:
        async def events() -> AsyncIterator[str]:
            if text:
                yield _event(text)
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:  # the client has left
                server.left += 1
                raise
            yield _event("", "stop")

        return _streamed(events())

    return script


def dying(text: str) -> Script:
    """Say something and break the connection off."""

    def script(_: LanguageModel, __: Request, ___: list[dict[str, Any]]) -> Response:
        async def events() -> AsyncIterator[str]:
            yield _event(text)
            raise ConnectionAbortedError("the script says so")

        return _streamed(events())

    return script
