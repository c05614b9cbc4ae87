"""One request of OpenAI's API, from the door to its last byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

import structlog
from msgspec import Struct, field
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from edge.access import Door
from edge.budgets import Uploads
from edge.clock import now_s
from edge.errand import Errand, Patience, open_errand
from edge.openai.body import decoded
from edge.openai.client_secrets import ClientSecrets, unix_s
from edge.openai.errors import Refusal, refusal
from edge.openai.names import Names
from edge.openai.places import Places
from edge.openai.remembered import Remembered
from edge.openai.sender import Sender
from edge.openai.settings import OpenAISettings
from edge.settings import EdgeSettings
from edge.upload import read_body, read_form
from edge.visit import Visit
from voicebus import metrics
from voicebus.errors import VoicebusError
from voicebus.fleet import Fleet
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.tracing.context import HEADER, TraceContext, apart, enter, exemplar

log: Final = structlog.get_logger()

KIND: Final = "openai"
"""Kind of client, for the log and the metrics."""

MAX_FIELDS: Final = 256
"""Most fields of a form: lists have one for each of their members."""

_FIELDS_BYTES: Final = 64 * 1024
"""More than the fields of a form add to its file."""

T = TypeVar("T")


class Api(Struct, frozen=True, kw_only=True):
    """What all routes share. Made by :func:`api_of`.

    Fields
        sessions: The edge's sessions.
        door: Lets callers in.
        fleet: What can be had.
        edge: The edge's limits.
        settings: What of the API is served.
        names: Finds models and voices by the names that clients have for them.
        remembered: Past responses.
        secrets: Makes and checks the secrets of clients without a key.
        recordings: Counts the files that are in work.
        spooled: Counts the bytes of files that are on disk.
    """

    sessions: Sessions
    door: Door
    fleet: Fleet
    edge: EdgeSettings
    settings: OpenAISettings
    names: Names
    remembered: Remembered
    secrets: ClientSecrets
    spooled: Uploads
    recordings: Places = field(default_factory=Places)


def api_of(
    sessions: Sessions, door: Door, fleet: Fleet, edge: EdgeSettings, settings: OpenAISettings
) -> Api:
    """Return what all routes of a process share."""
    return Api(
        sessions=sessions,
        door=door,
        fleet=fleet,
        edge=edge,
        settings=settings,
        names=Names(fleet, settings),
        remembered=Remembered(settings.stored_bytes),
        secrets=ClientSecrets(door.keys, unix_s),
        spooled=Uploads(settings.recordings * (settings.max_recording_bytes + _FIELDS_BYTES)),
    )


class Call:
    """A caller's request. All that it opens is closed when its answer has been sent.

    Attributes:
        api: What all routes share.
        request: The request.
        visit: The caller.
        opened: Closes what belongs to the request.
    """

    def __init__(self, api: Api, request: Request, visit: Visit) -> None:
        self.api: Final = api
        self.request: Final = request
        self.visit: Final = visit
        self.opened: Final = AsyncExitStack()
        self._is_read = asyncio.Event()
        self._spooled = 0
        self._sessions: list[Session] = []

    @property
    def owner(self) -> str:
        """Whose the request is, for what outlives it: a key; empty where there are none."""
        return self.visit.named.get("key", "")

    async def body(self, limit_bytes: int) -> bytes:
        """Return the body, or the file of a form. From here on it is noticed that a client leaves.

        Raises:
            ProtocolError: It is too large or comes too slowly.
        """
        body = await read_body(self.request, limit_bytes, self.api.edge.upload_s, self.visit.upload)
        self._is_read.set()
        return body

    async def form(self, limit_bytes: int) -> FormData:
        """Return the form that the body is, with its file on disk until the answer is sent.

        Raises:
            ProtocolError: It is no form, is too large or comes too slowly.
            Busy: The files that are there already take up all the disk that they may.
        """
        self.opened.callback(lambda: self.api.spooled.give_back(self._spooled))
        patience_s = self.api.edge.upload_s
        form = await read_form(self.request, limit_bytes, patience_s, MAX_FIELDS, self._spool)
        self.opened.push_async_callback(form.close)
        self._is_read.set()
        return form

    def _spool(self, size: int) -> None:
        self.api.spooled.take(size)
        self._spooled += size

    async def json(self, kind: type[T], limit_bytes: int = 0) -> T:
        """Return the JSON body; fields that are not known are passed over.

        Args:
            kind: What is understood of it.
            limit_bytes: Most bytes, if it may have others than most requests.

        Raises:
            BadRequest: It is no JSON, or a field does not fit.
            ProtocolError: It is too large or comes too slowly.
        """
        limit_bytes = limit_bytes or self.api.settings.max_body_bytes
        return decoded(await self.body(limit_bytes), kind)

    async def errand(self, *roles: str) -> Errand:
        """Open an errand that ends with the request.

        Raises:
            LimitReached: The caller has had its share.
            BusError: It cannot be done now.
        """
        settings = self.api.settings
        patience = Patience(claim_s=settings.queue_s, stall_s=settings.stall_s)
        opening = open_errand(self.api.sessions, self.visit, KIND, roles, patience)
        errand = await self.opened.enter_async_context(opening)
        errand.session.called(self.request.headers.get(HEADER, ""))
        self._sessions.append(errand.session)
        return errand

    @property
    def trace(self) -> TraceContext | None:
        """The trace of what it has asked for, where one is kept."""
        return next((one.trace for one in self._sessions if one.trace is not None), None)

    async def left(self) -> None:
        """Return when the client has left; not before its body was read."""
        await self._is_read.wait()
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


Handler = Callable[[Call], Awaitable[Response]]
"""Answers one kind of request; what it raises of ours becomes an answer of the API."""


class Endpoint:
    """A route: an application of its own that lets the caller in and calls the handler.

    Args:
        api: What all routes share.
        handler: Answers.
        route: Its path below /v1, for metrics.
    """

    def __init__(self, api: Api, handler: Handler, route: str) -> None:
        self._api = api
        self._handler = handler
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun_s = now_s()
        sender = Sender(send)
        request = Request(scope, receive)
        with bound_contextvars(request=sender.id), apart():
            try:
                with self._api.door.enter(request) as visit, bound_contextvars(**visit.named):
                    sender.visit = visit
                    await self._serve(request, visit, sender)
            except VoicebusError as err:
                await _refuse(refusal(err), request, sender)
            except Exception:  # the edge's boundary: a bug must not end other requests
                log.exception("request.failed")
                await _refuse(_INTERNAL, request, sender)
            if sender.first_s:
                seconds = sender.first_s - begun_s
                metrics.API_FIRST_BYTE_SECONDS.labels(self._route).observe(seconds, exemplar())
        metrics.API_REQUESTS.labels(self._route, sender.status).inc()

    async def _serve(self, request: Request, visit: Visit, sender: Sender) -> None:
        call = Call(self._api, request, visit)
        answering = asyncio.ensure_future(self._answer(call, sender))
        leaving = asyncio.ensure_future(call.left())
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and not sender.is_complete:
                log.info("client.left")
                answering.cancel()
            await asyncio.wait((answering,))
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.wait((answering, leaving))
            enter(call.trace)
        if not answering.cancelled():
            answering.result()

    async def _answer(self, call: Call, sender: Sender) -> None:
        async with call.opened:
            try:
                response = await self._handler(call)
            except ClientDisconnect:
                return
            await response(call.request.scope, call.request.receive, sender)


_INTERNAL: Final = Refusal(
    500,
    {
        "message": "this server has made a mistake; the request's id says which",
        "type": "server_error",
        "param": None,
        "code": "internal",
    },
    {"x-should-retry": "false"},
)


async def _refuse(refused: Refusal, request: Request, sender: Sender) -> None:
    metrics.CLIENT_ERRORS.labels(KIND, refused.error["code"]).inc()
    log.info("client.refused", code=refused.error["code"])
    if not sender.is_begun:
        await refused.response()(request.scope, request.receive, sender)
