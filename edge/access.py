"""The door: who comes in, before a socket is opened or a body is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.requests import HTTPConnection

from edge.budgets import UNLIMITED, Budgets, Meter, Uploads, is_loopback, network_of
from edge.clock import now_s
from edge.guest import Guest, Keyed
from edge.keys import Keys
from edge.origins import check_host, check_origin
from edge.settings import EdgeSettings
from edge.visit import Visit
from voicebus.errors import AccessDenied, ConfigError
from voicebus.keys import SECRET, Key

log: Final = structlog.get_logger()

SUBPROTOCOL: Final = "voicebus"
"""What a page names besides its key as subprotocols: the answer names this one, never the key."""

_KEY_HEADERS: Final = ("x-api-key", "api-key")
"""Where clients of other APIs put what others call a bearer token."""

_KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""Where pages that speak OpenAI's Realtime API put it: a browser's WebSocket has no headers."""

_FORWARDED: Final = ("forwarded", "x-forwarded-for")


class Door:
    """Checks each caller. One per process.

    Args:
        settings: The limits, origins and proxies.
        keys: Who may come in.

    Raises:
        ConfigError: Everybody could come in from elsewhere, and nobody said that this is wanted.
    """

    def __init__(self, settings: EdgeSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys
        self._budgets = Budgets()
        self._uploads = Uploads(settings.uploads_bytes)
        self._is_local = is_loopback(settings.host) and not settings.proxies
        if not (keys.are_needed or self._is_local or settings.anyone):
            raise ConfigError(
                f"others than this machine can reach {settings.host}, and there are no keys in "
                f"{keys.path}: make one with `voicebus keys add NAME`, or serve everybody with "
                "VOICEBUS_EDGE_ANYONE=true"
            )

    @property
    def keys(self) -> Keys:
        """Who may come in."""
        return self._keys

    @contextmanager
    def enter(self, client: HTTPConnection, vouching: Key | None = None) -> Iterator[Visit]:
        """Let a caller in, and out at the end of the context.

        Args:
            client: The caller.
            vouching: The key on whose account it goes, where it presented no key of its own.

        Raises:
            AccessDenied: It has no good key, or is a page that may not come in.
            LimitReached: ``too_many_connections``.
        """
        at_s, host = now_s(), _host(client)
        address = self._arrive(host, at_s)
        check_origin(client, self._settings)
        key = vouching or self._key(client)
        caller = self._of_keyless(host, at_s) if key is None else self._of_key(key, at_s)
        caller.connect(at_s)
        offered = client.scope.get("subprotocols", ())
        named = SUBPROTOCOL if SUBPROTOCOL in offered else None
        standing = Keyed(key, self._keys, self._settings.persona)
        visit = Visit(self._settings, (address, caller), standing, named, self._uploads)
        with _inside(client, visit):
            yield visit

    @contextmanager
    def welcome(self, client: HTTPConnection, guest: Guest) -> Iterator[Visit]:
        """Let a guest in, and out at the end of the context.

        Args:
            client: The caller.
            guest: The same, as whatever answers for it knows it.

        Raises:
            AccessDenied: It may not come in.
            LimitReached: ``too_many_connections``.
        """
        at_s, host = now_s(), _host(client)
        shares = [self._arrive(host, at_s)]
        guest.expect_welcome(client, self._settings)
        for account in guest.accounts(network_of(host)):
            meter = self._budgets.of(account.name, account.allowance, account.whose, at_s)
            meter.connect(at_s)
            shares.append(meter)
        visit = Visit(self._settings, tuple(shares), guest, None, self._uploads)
        with _inside(client, visit):
            yield visit

    def check_reader(self, client: HTTPConnection) -> None:
        """Let programs of this machine read what the edge counts, and others as :meth:`enter`.

        Raises:
            AccessDenied: It may not.
            LimitReached: Not so often.
        """
        if is_loopback(_host(client)) and not any(name in client.headers for name in _FORWARDED):
            return
        with self.enter(client):
            pass

    def _arrive(self, host: str, at_s: float) -> Meter:
        address = self._of_address(host, at_s)
        address.connect(at_s)
        limit = 0 if is_loopback(host) else self._settings.address_connections
        address.most_connections = limit
        address.expect_place()
        return address

    def _key(self, client: HTTPConnection) -> Key | None:
        presented = presented_by(client)
        if self._keys.are_needed:
            if presented is None:
                raise AccessDenied("this server wants a key", "key_missing")
            return self._keys.find(presented)
        if self._settings.anyone:
            return None
        check_host(client, self._settings)
        if any(name in client.headers for name in _FORWARDED):
            raise AccessDenied(
                "this server is for its own machine; through a proxy it wants a key", "key_missing"
            )
        return None

    def _of_address(self, host: str, at_s: float) -> Meter:
        allowance = UNLIMITED if is_loopback(host) else self._settings.of_address()
        return self._budgets.of(f"address {network_of(host)}", allowance, "your address", at_s)

    def _of_keyless(self, host: str, at_s: float) -> Meter:
        allowance = UNLIMITED if is_loopback(host) else self._settings.of_caller()
        return self._budgets.of(f"caller {network_of(host)}", allowance, "your address", at_s)

    def _of_key(self, key: Key, at_s: float) -> Meter:
        allowance = key.allowance.over(self._settings.of_caller())
        return self._budgets.of(f"key {key.id}", allowance, "this key", at_s)


@contextmanager
def _inside(client: HTTPConnection, visit: Visit) -> Iterator[None]:
    try:
        if client.scope["type"] == "http":
            visit.expect_room()
        yield
    finally:
        visit.end()


def _host(client: HTTPConnection) -> str:
    return client.client.host if client.client is not None else ""


def presented_by(client: HTTPConnection) -> str | None:
    """Return what a caller presented as its key, whatever it is; None where there is nothing."""
    return next(_presented(client), None)


def _presented(client: HTTPConnection) -> Iterator[str]:
    """Yield what may be a key: a query string is not looked at, for it stands in logs."""
    scheme, _, token = client.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield token.strip()
    for name in _KEY_HEADERS:
        if name in client.headers:
            yield client.headers[name].strip()
    for offered in client.scope.get("subprotocols", ()):
        if SECRET.fullmatch(offered):
            yield offered
        elif offered.startswith(_KEY_SUBPROTOCOL):
            yield offered.removeprefix(_KEY_SUBPROTOCOL)
