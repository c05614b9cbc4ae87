"""The server: real HTTP in a thread of its own, so that processes and tests may call it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.bridges.telegram.bot_api.faults import Faults, Harm
from tests.bridges.telegram.bot_api.flood import Flood
from tests.bridges.telegram.bot_api.methods import Refusal, perform
from tests.bridges.telegram.bot_api.shapes import fault_of
from tests.plain import PLAIN
from voicebus import health

_REFUSALS: Final = {
    Harm.FLOOD: (429, "Too Many Requests: retry later"),
    Harm.CONFLICT: (409, "Conflict: terminated by other getUpdates request"),
    Harm.FORBIDDEN: (403, "Forbidden: bot was blocked by the user"),
    Harm.NO_VOICE: (400, "Bad Request: user restricted receiving of voice note messages"),
    Harm.NO_VOICE_HERE: (400, "Bad Request: not enough rights to send voice notes to the chat"),
    Harm.BROKEN: (500, "Internal Server Error"),
}
_MOVED: Final = "Bad Request: group chat was upgraded to a supergroup chat"


@dataclass
class Call:
    """A call that was answered with ok.

    Attributes:
        bot: The bot's number.
        method: What was called.
        given: With which fields; files as bytes.
        at_s: When it came, by :func:`time.monotonic`.
        message: Number of the message that it made.
    """

    bot: int
    method: str
    given: Mapping[str, Any]
    at_s: float
    message: int = 0


@dataclass
class Account:
    """What the server knows of one bot."""

    token: str
    username: str
    flood: Flood = field(default_factory=Flood)
    updates: deque[dict[str, Any]] = field(default_factory=deque)
    webhook: dict[str, str] = field(default_factory=dict)
    poll: asyncio.Event | None = None
    next_message: int = 1000
    deleted: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The bot's number."""
        return int(self.token.partition(":")[0])


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
        self.url = f"http://{health.address(self._listener)}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._release)
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
        if self._thread is not None:
            self._thread.join(10)

    def add_bot(self, number: int, username: str = "") -> Account:
        """Make a bot; return it."""
        token = f"{number}:{'A' * 30}{number:05d}"
        account = Account(token, username or f"bot{number}_bot")
        self.accounts[number] = account
        return account

    def push(self, bot: int, update: dict[str, Any]) -> int:
        """Let something happen in a chat of a bot; return the update's number."""
        assert self._loop is not None
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

    def _release(self) -> None:
        """Nobody waits for updates any more."""
        for account in self.accounts.values():
            if account.poll is not None:
                account.poll.set()

    def _serve(self, started: threading.Event) -> None:
        app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._call, methods=["POST"]),
                Route("/file/bot{token}/{path:path}", self._file),
            ]
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
        self._server = health.QuietServer(config)

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            started.set()
            assert self._server is not None
            await self._server.serve(sockets=[self._listener])

        asyncio.run(run())

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
        given = _attached(given)
        if wrong := fault_of(method, given):
            self.errors.append(wrong)
            return _no(400, f"Bad Request: {wrong}")
        chat = int(given.get("chat_id", 0))
        if exceeded := account.flood.exceeded(method, chat, time.monotonic()):
            self.violations.append(f"{method}: {exceeded}")
            return _no(429, "Too Many Requests: retry after 1", retry_after=1)
        if method == "getUpdates":
            return await self._updates(request, account, given)
        return await self._do(account, method, given)

    async def _do(self, account: Account, method: str, given: dict[str, Any]) -> Response:
        fault = self.faults.take(method)
        if fault is not None and fault.harm in _REFUSALS:
            status, description = _REFUSALS[fault.harm]
            seconds = int(fault.seconds) if fault.harm is Harm.FLOOD else 0
            return _no(status, description, **({"retry_after": seconds} if seconds else {}))
        at_s = time.monotonic()
        if (moved := account.moved.get(int(given.get("chat_id", 0)))) is not None:
            return _no(400, _MOVED, migrate_to_chat_id=moved)
        try:
            result, message = perform(self, account, method, given)
        except Refusal as err:
            return _no(400, f"Bad Request: {err}")
        self.calls.append(Call(account.id, method, given, at_s, message))
        if fault is not None and fault.harm is Harm.SLOW:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.harm is Harm.LOST:
            return StreamingResponse(_broken(), media_type="application/json")
        if fault is not None and fault.harm is Harm.GATEWAY:
            return _no(502, "Bad Gateway")
        return JSONResponse({"ok": True, "result": result})

    async def _updates(self, request: Request, account: Account, given: dict[str, Any]) -> Response:
        fault = self.faults.take("getUpdates")
        if account.webhook or (fault is not None and fault.harm is Harm.CONFLICT):
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


def _attached(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with files where they name files that came beside them."""
    named = {
        name: value.removeprefix("attach://")
        for name, value in given.items()
        if isinstance(value, str) and value.startswith("attach://")
    }
    kept = {name: value for name, value in given.items() if name not in named.values()}
    return {**kept, **{name: given.get(file) for name, file in named.items()}}


async def _broken(head: bytes = b"") -> Any:
    yield head
    raise ConnectionResetError


def _no(status: int, description: str, **parameters: int) -> Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return JSONResponse(body, status)
