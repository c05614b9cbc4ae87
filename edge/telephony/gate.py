"""Who may bring calls: checked before anything is done for a connection.

An exchange proves itself with the secret of the settings, in whichever place it can put one: the
path, the query, a password, a header. Twilio signs instead. AudioSocket has room for neither: there
the network decides.

Who guesses is told to wait, by address. An address may be that of many: a carrier's customers have
it in common, what is behind an exchange's NAT, and everybody behind a proxy that nobody has named.
So who has the proof is let in whatever else came from there, and what makes guessing hopeless is
the length that the settings ask of a secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from edge.budgets import UNLIMITED, Budgets, is_loopback, network_of
from edge.clock import now_s
from edge.settings import listed
from edge.telephony.settings import TelephonySettings
from voicebus.errors import AccessDenied, Busy, ConfigError
from voicebus.keys import Allowance

TWILIO: Final = "twilio"
_GUESSED: Final = "key_unknown"
"""Why a guess is refused. No other refusal says anything about the secret, and none counts."""

SPARE: Final = 1_000
"""Connections beyond the calls that there may be: those that do not know yet whether they are. They
cost a socket each, and one that stays idle must not keep a call out."""

_BUSY_RETRY_S: Final = 5.0


class Presented(Struct, frozen=True, kw_only=True):
    """What a WebSocket's handshake says.

    Fields
        address: Where it comes from.
        protocol: Who is said to speak.
        path: The path that was asked for.
        secret: Its last part, where that is not the protocol's name.
        query: The query.
        raw_query: The same as it was written, without ``?``.
        headers: The headers, with names in small letters.
    """

    address: str = ""
    protocol: str
    path: str
    secret: str = ""
    query: Mapping[str, str] = {}
    raw_query: str = ""
    headers: Mapping[str, str] = {}


class Gate:
    """Lets connections in. One per process.

    Args:
        settings: Who may come, and how many.

    Raises:
        ConfigError: Everybody could come in from elsewhere, and nobody said that this is wanted.
    """

    def __init__(self, settings: TelephonySettings) -> None:
        self._settings = settings
        self._networks = [ipaddress.ip_network(n) for n in listed(settings.audiosocket_networks)]
        self._open = 0
        self._guessed = Budgets()
        is_local = is_loopback(settings.host) and not settings.proxies
        has_proof = bool(settings.secret or settings.twilio_auth_token)
        if not (is_local or has_proof or settings.anyone):
            raise ConfigError(
                f"others than this machine can reach {settings.host}: set "
                "VOICEBUS_TELEPHONY_SECRET, or VOICEBUS_TELEPHONY_TWILIO_AUTH_TOKEN, or serve "
                "everybody with VOICEBUS_TELEPHONY_ANYONE=true"
            )

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count a connection while the context lasts.

        Raises:
            Busy: There are as many as there may be.
        """
        if self._open >= self._settings.max_calls + SPARE:
            raise Busy("all lines are busy; try again in a few seconds", _BUSY_RETRY_S)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    def admits_address(self, address: str) -> bool:
        """Whether AudioSocket may come from an address."""
        try:
            host = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
            host = host.ipv4_mapped
        return any(host in network for network in self._networks)

    def check(self, presented: Presented) -> None:
        """Ask whether a WebSocket may be opened.

        Raises:
            AccessDenied: ``key_missing``, ``key_unknown`` or ``origin_forbidden``.
            LimitReached: ``too_many_connections``: its proof is wrong, as those of too many from
                its address were.
        """
        try:
            self._expect_proof(presented)
        except AccessDenied as err:
            if err.reason == _GUESSED:
                self._count_guess(presented.address)
            raise

    def _count_guess(self, address: str) -> None:
        allowance = Allowance(connections_per_min=self._settings.address_refusals_per_min)
        if is_loopback(address):
            allowance = UNLIMITED
        at_s = now_s()
        self._guessed.of(network_of(address), allowance, "your address", at_s).connect(at_s)

    def _is_signed(self, presented: Presented) -> bool:
        token = self._settings.twilio_auth_token
        if presented.protocol != TWILIO or not token:
            return False
        return is_signed(presented, token, self._settings.public_url)

    def _expect_proof(self, presented: Presented) -> None:
        settings = self._settings
        if "origin" in presented.headers and not settings.anyone:
            raise AccessDenied("pages may not bring calls", "origin_forbidden")
        if presented.protocol == TWILIO and settings.twilio_auth_token:
            if not self._is_signed(presented):
                raise AccessDenied("this is not signed by Twilio", _GUESSED)
            return
        if not settings.secret:
            # With a signature's token alone, nobody but Twilio is known.
            if settings.twilio_auth_token and not settings.anyone:
                raise AccessDenied("this edge takes calls of Twilio alone", "key_missing")
            return
        given = list(_secrets(presented))
        if not given:
            raise AccessDenied("this edge wants a secret", "key_missing")
        wanted = settings.secret.encode()
        fits = [hmac.compare_digest(one.encode(), wanted) for one in given]
        if not any(fits):
            raise AccessDenied("this is not the secret", _GUESSED)


def is_signed(presented: Presented, token: str, public_url: str = "") -> bool:
    """Whether Twilio has signed a handshake.

    Twilio signs the address as it was written into ``<Stream>``, with ``wss`` or ``https`` and with
    or without a slash at its end.

    Args:
        presented: The handshake.
        token: The account's token.
        public_url: The address without its path; empty to take the name that was asked for.
    """
    signature = presented.headers.get("x-twilio-signature", "")
    place = public_url.rstrip("/").partition("://")[2] or presented.headers.get("host", "")
    query = f"?{presented.raw_query}" if presented.raw_query else ""
    path = presented.path.rstrip("/")
    addresses = (
        f"{scheme}://{place}{path}{slash}{query}"
        for scheme in ("wss", "https")
        for slash in ("", "/")
    )
    fits = [
        hmac.compare_digest(signature.encode(), twilio_signature(address, token).encode())
        for address in addresses
    ]
    return any(fits)


def twilio_signature(address: str, token: str) -> str:
    """Return Twilio's signature of a request without a body."""
    digest = hmac.new(token.encode(), address.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def _secrets(presented: Presented) -> Iterator[str]:
    """Yield what may be a secret."""
    if presented.secret:
        yield presented.secret
    for name in ("secret", "token"):
        if presented.query.get(name):
            yield presented.query[name]
    if given := presented.headers.get("x-telnyx-streaming-auth-token"):
        yield given
    scheme, _, value = presented.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield value.strip()
    elif scheme.lower() == "basic":
        try:
            yield base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return
