"""The server's own account: it tells whose connection began and ended, and ends one when asked.

Source: https://docs.nats.io/running-a-nats-service/configuration/sys_accounts
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from subjects.tokens import new_token
from voicebus.bus.connection import Connection, close, establish
from voicebus.bus.identity import identify
from voicebus.bus.questions import Questions
from voicebus.failover.roster import Link
from voicebus.settings import BusSettings

log: Final = structlog.get_logger()

_BEGINNINGS: Final = "$SYS.ACCOUNT.*.CONNECT"
_ENDS: Final = "$SYS.ACCOUNT.*.DISCONNECT"
_CONNECTIONS: Final = "$SYS.REQ.SERVER.PING.CONNZ"
_KICK: Final = "$SYS.REQ.SERVER.{server}.KICK"
_ANSWER_S: Final = 1.0
_PAGE: Final = 10_000


class _Server(Struct):
    id: str = ""


class _Client(Struct):
    id: int = 0
    name: str = ""
    user: str = ""


class Change(Struct, frozen=True):
    """A connection that began or ended.

    Fields
        server: Where.
        client: Whose.
        reason: Why it ended; empty for one that began.
    """

    server: _Server
    client: _Client
    reason: str = ""

    @property
    def link(self) -> Link:
        """The connection."""
        return Link(self.server.id, self.client.id, self.client.user)


class _Listed(Struct):
    cid: int = 0
    name: str = ""
    authorized_user: str = ""


class _List(Struct):
    connections: list[_Listed] = []


class _Page(Struct):
    server: _Server
    data: _List


Heard = Callable[[Change], None]


class System:
    """A connection to the server's own account. Made by :func:`attend`."""

    def __init__(self, connection: Connection, inbox: str) -> None:
        self._nats = connection
        self._inbox = inbox
        self._questions = Questions(connection, f"{inbox}.ask")

    async def start(self) -> None:
        """Begin to take answers."""

        async def take(message: Msg) -> None:
            self._questions.on_answer(message)

        await self._nats.subscribe(f"{self._inbox}.ask.*", cb=take)

    async def kick(self, link: Link) -> None:
        """End somebody's connection: a process that is stopped is given no more jobs.

        Raises:
            BusError: The server does not answer. One that is not asked for an answer does nothing.
        """
        body = msgspec.json.encode({"cid": link.number})
        await self._questions.ask(_KICK.format(server=link.server), body)

    async def everyone(self) -> tuple[tuple[str, Link], ...]:
        """Return the name and the connection of everyone, by asking every server."""
        found: list[tuple[str, Link]] = []

        async def take(message: Msg) -> None:
            try:
                page = msgspec.json.decode(message.data, type=_Page)
            except msgspec.DecodeError:
                return
            found.extend(
                (listed.name, Link(page.server.id, listed.cid, listed.authorized_user))
                for listed in page.data.connections
            )

        reply = f"{self._inbox}.list.{new_token('c')}"
        subscription = await self._nats.subscribe(reply, cb=take)
        try:
            body = msgspec.json.encode({"limit": _PAGE, "auth": True})
            await self._nats.publish(_CONNECTIONS, body, reply)
            await asyncio.sleep(_ANSWER_S)  # nobody says how many servers there are to answer
        except NatsError:
            return ()
        finally:
            if not self._nats.is_closed:
                await subscription.unsubscribe()
        return tuple(found)


@asynccontextmanager
async def attend(
    settings: BusSettings, name: str, began: Heard, ended: Heard, returned: Callable[[], None]
) -> AsyncIterator[System]:
    """Listen in the server's own account while the context lasts.

    Args:
        settings: Where the servers are, with the credentials of a user of that account.
        name: Name of this process.
        began: Told of each connection that begins.
        ended: Told of each one that ends.
        returned: Told when this one was made anew: others may have begun and ended meanwhile.

    Raises:
        ConfigError: The seed or a certificate cannot be used.
    """
    connection, identity = Connection(), identify(settings)

    async def reconnected() -> int:
        returned()
        return 0

    await establish(connection, settings, name, identity, on_reconnect=reconnected)
    try:
        await connection.subscribe(_BEGINNINGS, cb=_decoded(began))
        await connection.subscribe(_ENDS, cb=_decoded(ended))
        system = System(connection, identity.inbox)
        await system.start()
        yield system
    finally:
        with suppress(NatsError):
            await close(connection)


def _decoded(heard: Heard) -> Callable[[Msg], Awaitable[None]]:
    async def take(message: Msg) -> None:
        try:
            change = msgspec.json.decode(message.data, type=Change)
        except msgspec.DecodeError:
            log.warning("system.malformed", subject=message.subject)
            return
        heard(change)

    return take
