"""Who comes in without a key of its own, because something else answers for it: such as a site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct
from starlette.requests import HTTPConnection

from edge.settings import EdgeSettings
from edge.wire import Start
from voicebus.keys import Allowance


class Account(Struct, frozen=True):
    """Whose share a guest uses up.

    Fields
        name: Of the account, among all of the edge.
        allowance: The share.
        whose: How it is called in an error: ``this site``, ``your address on this site`` …
    """

    name: str
    allowance: Allowance
    whose: str


class Guest(Protocol):
    """A caller whom something else answers for."""

    @property
    def named(self) -> dict[str, str]:
        """Who answers for it, for logs."""

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

    def expect_stay(self) -> None:
        """Ask whether it may stay.

        Raises:
            AccessDenied: Not any more.
        """

    def terms(self, asked: Start) -> Start:
        """Return how its session is to be, whatever it asked for."""
