"""The server: real HTTP in a thread of its own, so that processes and tests may call it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, Self

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.bridges.telegram.bot_api.accounts import Account, Call, attached
from tests.bridges.telegram.bot_api.faults import Fault, Faults, Harm
from tests.bridges.telegram.bot_api.methods import Refusal, perform
from tests.bridges.telegram.bot_api.shapes import fault_of
from tests.plain import PLAIN
from voicebus import health

_REFUSALS: Final = {
    Harm.CONFLICT: (409, "Conflict: terminated by other getUpdates request"),
    Harm.FORBIDDEN: (403, "Forbidden: bot was blocked by the user"),
    Harm.NO_VOICE: (400, "Bad Request: user restricted receiving of voice note messages"),
    Harm.NO_VOICE_HERE: (400, "Bad Request: not enough rights to send voice notes to the chat"),
    Harm.BROKEN: (500, "Internal Server Error"),
}
_MOVED: Final = "Bad Request: group chat was upgraded to a supergroup chat"


class BotApi:
    """A running server, used as a context manager.

    Attributes:
        calls: What was done, in order.
        errors: Calls that no client should make, in words.
        violations: Flood limits that were exceeded, in words.
        delivered_s: When each update was handed out first.
        faults: What is to go wrong.
        files: By their ids, what people have sent.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.calls: list[Call] = []
        self.errors: list[str] = []
        self.violations: list[str] = []
        self.delivered_s: dict[int, float] = {}
        self.conflicts = 0
        self.faults = Faults()
        self.files: dict[str, bytes] = {}
        self.next_update = 1
        self._listener = health.bind("127.0.0.1", 0)
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: uvicorn.Server | None = None
        self._serving: Future[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """End all connections and refuse new ones while the context lasts; people go on writing."""
        self._close()
        try:
            yield
        finally:
            self._listener = health.bind("127.0.0.1", self._port)
            self._open()

    def add_bot(self, number: int, username: str = "") -> Account:
        """Make a bot; return it."""
        token = f"{number}:{'A' * 30}{number:05d}"
        account = Account(token, username or f"bot{number}_bot")
        self.accounts[number] = account
        return account

    def push(self, bot: int, update: dict[str, Any]) -> int:
        """Let something happen in a chat of a bot; return the update's number."""
        number = self.next_update
        self.next_update += 1
        self._loop.call_soon_threadsafe(self._push, bot, {"update_id": number, **update})
        return number

    def _push(self, bot: int, update: dict[str, Any]) -> None:
        account = self.accounts[bot]
        account.updates.append(update)
        if account.webhook:
            task = asyncio.ensure_future(self._deliver(account, update))
            task.add_done_callback(lambda _: None)
        elif account.poll is not None:
            account.poll.set()

    async def _deliver(self, account: Account, update: dict[str, Any]) -> None:
        """Send an update until it is taken, as Telegram does."""
        headers = {"x-telegram-bot-api-secret-token": account.webhook.get("secret_token", "")}
        async with httpx2.AsyncClient(timeout=10, **PLAIN) as client:
            for _ in range(50):
                self.delivered_s.setdefault(update["update_id"], time.monotonic())
                try:
                    url = account.webhook["url"]
                    answer = await client.post(url, json=update, headers=headers)
                    if answer.status_code == 200:
                        account.updates.remove(update)
                        return
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.2)

    def _open(self) -> None:
        app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._call, methods=["POST"]),
                Route("/file/bot{token}/{path:path}", self._file),
            ]
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = health.QuietServer(config)
        serving = self._server.serve(sockets=[self._listener])
        self._serving = asyncio.run_coroutine_threadsafe(serving, self._loop)
        until_s = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < until_s
            time.sleep(0.01)

    def _close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)
        assert self._serving is not None
        self._serving.result(10)

    async def _cut(self) -> None:
        """Listen no more, end all connections as they are, and wait for no updates."""
        assert self._server is not None
        for listening in self._server.servers:
            listening.close()
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self._server.should_exit = self._server.force_exit = True
        for account in self.accounts.values():
            if account.poll is not None:
                older, account.poll = account.poll, None
                older.set()

    def _account(self, token: str) -> Account | None:
        found = (a for a in self.accounts.values() if a.token == token)
        return next(found, None)

    async def _call(self, request: Request) -> Response:
        method = request.path_params["method"]
        account = self._account(request.path_params["token"])
        if account is None:
            return _no(401, "Unauthorized")
        async with request.form() as form:
            given = {
                name: await value.read() if isinstance(value, UploadFile) else value
                for name, value in form.items()
            }
        given = attached(given)
        if wrong := fault_of(method, given):
            self.errors.append(wrong)
            return _no(400, f"Bad Request: {wrong}")
        chat = int(given.get("chat_id", 0))
        if (rest := account.flood.rest(method, chat, time.monotonic())) is not None:
            if rest.broken:
                self.violations.append(f"{method}: {rest.broken}")
            return _flood(rest.seconds)
        fault = self.faults.take(method)
        if fault is not None and (spoilt := await self._spoilt(request, account, fault, chat)):
            return spoilt
        if method == "getUpdates":
            answer = await self._updates(request, account, given)
        else:
            answer = await self._do(account, method, given)
        return answer if fault is None else await _disturbed(answer, fault)

    async def _spoilt(
        self, request: Request, account: Account, fault: Fault, chat: int
    ) -> Response | None:
        """Return how a call is answered with which nothing is done; None for other faults."""
        seconds = int(fault.seconds)
        match fault.harm:
            case Harm.MUTE:
                while not await request.is_disconnected():
                    await asyncio.sleep(0.05)
                return Response()
            case Harm.FLOOD | Harm.FLOOD_ALL as harm:
                closed = 0 if harm is Harm.FLOOD_ALL else chat
                account.flood.close(fault.method, chat, closed, time.monotonic(), seconds)
                return _flood(seconds)
            case Harm.CONFLICT:
                self.conflicts += 1
        return _no(*_REFUSALS[fault.harm]) if fault.harm in _REFUSALS else None

    async def _do(self, account: Account, method: str, given: dict[str, Any]) -> Response:
        at_s = time.monotonic()
        if (moved := account.moved.get(int(given.get("chat_id", 0)))) is not None:
            return _no(400, _MOVED, migrate_to_chat_id=moved)
        try:
            result, message = perform(self, account, method, given)
        except Refusal as err:
            return _no(400, f"Bad Request: {err}")
        self.calls.append(Call(account.id, method, given, at_s, message))
        return JSONResponse({"ok": True, "result": result})

    async def _updates(self, request: Request, account: Account, given: dict[str, Any]) -> Response:
        if account.webhook:
            self.conflicts += 1
            return _no(409, "Conflict: can't use getUpdates method while webhook is active")
        if account.poll is not None:  # the newer one wins
            older, account.poll = account.poll, None
            older.set()
        offset = int(given.get("offset", 0))
        while account.updates and account.updates[0]["update_id"] < offset:
            account.updates.popleft()
        mine = account.poll = asyncio.Event()
        if not account.updates:
            try:
                async with asyncio.timeout(float(given.get("timeout", 0))):
                    await mine.wait()
            except TimeoutError:
                pass
        if account.poll is not mine:
            self.conflicts += not await request.is_disconnected()
            return _no(409, "Conflict: terminated by other getUpdates request")
        account.poll = None
        found = list(account.updates)[:100]
        for update in found:
            self.delivered_s.setdefault(update["update_id"], time.monotonic())
        return JSONResponse({"ok": True, "result": found})

    async def _file(self, request: Request) -> Response:
        data = self.files.get(request.path_params["path"].removeprefix("voice/"))
        if self._account(request.path_params["token"]) is None or data is None:
            return _no(404, "Not Found")
        fault = self.faults.take("file")
        if fault is not None and fault.harm is Harm.CUT:
            return StreamingResponse(_broken(data[: len(data) // 2]))
        return Response(data, media_type="application/octet-stream")


async def _broken(head: bytes = b"") -> Any:
    yield head
    raise ConnectionResetError


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _disturbed(answer: Response, fault: Fault) -> Response:
    """Return what becomes of the answer to a call that was done."""
    match fault.harm:
        case Harm.SLOW:
            await asyncio.sleep(fault.seconds)
        case Harm.LOST:
            return StreamingResponse(_broken(), media_type="application/json")
        case Harm.GATEWAY:
            return _no(502, "Bad Gateway")
    return answer


def _flood(seconds: int) -> Response:
    return _no(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def _no(status: int, description: str, **parameters: int) -> Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return JSONResponse(body, status)
