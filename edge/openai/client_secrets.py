"""Secrets for clients that must not have a key: a page in a browser gets one from its own server.

A secret is a statement, signed: until when it is good, on which key's account, for pages of which
origin, and how the session is to be. Nothing of it is kept. Any edge that has the keys can check
it, because it is signed with what the file of keys holds of the key that asked for it; it is worth
nothing any more as soon as that key is revoked. Where no keys are needed, only the process that
made a secret can check it::

    ek_<statement>.<HMAC-SHA256 of it>      both base64url

It opens sessions until its time is over, more than one, as with OpenAI's own.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from edge.keys import Keys
from voicebus.errors import AccessDenied, ProtocolError
from voicebus.keys import Key

PREFIX: Final = "ek_"

LONGEST_BYTES: Final = 8 * 1024
"""A secret travels in a header, and the head of a request has 16 KiB."""

_PURPOSE: Final = b"voicebus client secret 1\0"


class Grant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a secret says.

    Fields
        key: Id of the key on whose account its sessions go; empty where none is needed.
        expires_at: Seconds since 1970 from which on it opens nothing.
        origin: The only origin whose pages may use it; empty for any client.
        session: How the session is to be, as the API has it.
        nonce: Makes each secret another one.
    """

    key: str = ""
    expires_at: int
    origin: str = ""
    session: dict[str, Any] = {}
    nonce: str = ""


class ClientSecrets:
    """Makes and checks secrets. One per process.

    Args:
        keys: The edge's keys.
        clock_s: Seconds since 1970.
    """

    def __init__(self, keys: Keys, clock_s: Callable[[], float]) -> None:
        self._keys = keys
        self._clock_s = clock_s
        self._own = secrets.token_bytes(32)

    def make(
        self, key: Key | None, session: dict[str, Any], origin: str, lasting_s: int
    ) -> tuple[str, int]:
        """Return a new secret, and the time at which it expires.

        Raises:
            ProtocolError: ``session_too_large``: the session's settings do not fit into a header.
        """
        expires_at = int(self._clock_s()) + lasting_s
        grant = Grant(
            key="" if key is None else key.id,
            expires_at=expires_at,
            origin=origin,
            session=session,
            nonce=secrets.token_urlsafe(12),
        )
        statement = msgspec.json.encode(grant)
        made = f"{PREFIX}{_written(statement)}.{_written(self._signed(statement, key))}"
        if len(made) > LONGEST_BYTES:
            raise ProtocolError(
                "the session's settings are too long for a client secret: let the client send "
                "them in session.update",
                "session_too_large",
            )
        return made, expires_at

    def check(self, presented: str, origin: str | None) -> tuple[Grant, Key | None]:
        """Return what a secret grants, and the key on whose account it goes.

        Args:
            presented: The secret.
            origin: Of the page that presents it; None for a client that is no page.

        Raises:
            AccessDenied: ``client_secret_unknown``, ``client_secret_expired`` or
                ``origin_forbidden``.
        """
        unknown = AccessDenied("this client secret is not known here", "client_secret_unknown")
        statement, _, signature = presented.removeprefix(PREFIX).partition(".")
        try:
            said, signed = _read(statement), _read(signature)
            grant = msgspec.json.decode(said, type=Grant)
        except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError) as err:
            raise unknown from err
        key = self._keys.named(grant.key) if grant.key else None
        if (key is None) != (not grant.key) or bool(grant.key) != self._keys.are_needed:
            raise unknown
        if not hmac.compare_digest(self._signed(said, key), signed):
            raise unknown
        if self._clock_s() >= grant.expires_at:
            raise AccessDenied("this client secret has expired", "client_secret_expired")
        if grant.origin and origin != grant.origin:
            raise AccessDenied("this client secret is for another page", "origin_forbidden")
        return grant, key

    def _signed(self, statement: bytes, key: Key | None) -> bytes:
        secret = self._own if key is None else bytes.fromhex(key.sha256)
        return hmac.digest(secret, _PURPOSE + statement, hashlib.sha256)


def unix_s() -> float:
    """Return the seconds since 1970: a secret expires at a time that two machines agree on."""
    return datetime.now(UTC).timestamp()


def _written(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
