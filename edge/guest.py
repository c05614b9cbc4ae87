"""Why a caller may be inside: it has a key or needs none, or something else answers for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import HTTPConnection

from edge.keys import Keys
from edge.settings import EdgeSettings
from edge.wire import NEW, Start
from voicebus.conversations import ANYONE
from voicebus.errors import AccessDenied
from voicebus.keys import Allowance, Key


class Account(Struct, frozen=True):
    """Whose share a guest uses up.

    Fields
        name: Of the account, among all of the edge.
        allowance: The share.
        whose: How it is called in an error: ``this site``, ``your address`` …
    """

    name: str
    allowance: Allowance
    whose: str


class Standing(Protocol):
    """Why a caller may be inside, and on what terms."""

    @property
    def key(self) -> Key | None:
        """The key on whose account it goes, if it is one."""

    @property
    def named(self) -> dict[str, str]:
        """Who it is, for logs."""

    @property
    def owner(self) -> tuple[str, str]:
        """Who it is, for its conversations: kind of identity, and identity."""

    def expect_stay(self) -> None:
        """Ask whether it may stay.

        Raises:
            AccessDenied: Not any more.
        """

    def terms(self, asked: Start) -> Start:
        """Return how its session is to be, whatever it asked for."""


class Guest(Standing, Protocol):
    """A caller whom something else than a key answers for, such as a site."""

    def expect_welcome(self, client: HTTPConnection, settings: EdgeSettings) -> None:
        """Ask whether it may come in.

        Raises:
            AccessDenied: It may not.
        """

    def accounts(self, network: str) -> Iterable[Account]:
        """Return on whose account it goes, besides its address: the nearest first.

        Args:
            network: What is counted as its address.
        """


class Keyed:
    """A caller with a key, or one that needs none: its sessions are as it asks.

    Args:
        key: The key that it came in with; None where none is needed.
        keys: Say whether it is still good.
        persona: Who answers where it names nobody; empty for nobody in particular.
    """

    def __init__(self, key: Key | None, keys: Keys, persona: str = "") -> None:
        self.key = key
        self._keys = keys
        self._persona = persona

    @property
    def named(self) -> dict[str, str]:
        """The public part of its key, if it has one."""
        return {} if self.key is None else {"key": self.key.id}

    @property
    def owner(self) -> tuple[str, str]:
        """The key; all who need none are one."""
        return ANYONE if self.key is None else ("key", self.key.id)

    def expect_stay(self) -> None:
        """Ask whether the key is still good.

        Raises:
            AccessDenied: ``key_revoked``.
        """
        if self.key is not None and self._keys.current(self.key) is None:
            raise AccessDenied("this key was revoked", "key_revoked")

    def terms(self, asked: Start) -> Start:
        """Return what it asked for."""
        return replace(asked, persona=self._persona) if self._names_nobody(asked) else asked

    def _names_nobody(self, asked: Start) -> bool:
        # In a conversation it is the one who answered there, unless the client names another.
        is_free = not (asked.conversation or asked.link_code) or asked.conversation == NEW
        return bool(self._persona) and not asked.persona and is_free
