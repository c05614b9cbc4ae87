"""Who comes from a page of a site: what the site answers for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from starlette.requests import HTTPConnection

from edge.budgets import is_loopback
from edge.guest import Account
from edge.origins import check_host, check_origin
from edge.settings import EdgeSettings
from edge.widget.sites import SELF, Site
from edge.wire import Input, Start
from schemas.settings import SessionSettings
from voicebus.errors import AccessDenied
from voicebus.keys import Key


class Visitor:
    """A caller from a page of a site. The site's key is public: its origins are what counts.

    Args:
        key: Of the site.
        find: Returns the site as it is by now; raises AccessDenied where there is none any more.

    Attributes:
        site: The site, once it was welcome.
        origin: Of its page; None for a request that names none.
    """

    def __init__(self, key: str, find: Callable[[str], Site]) -> None:
        self._site_key: Final = key
        self._find: Final = find
        self.key: Key | None = None
        self.origin: str | None = None
        self.site: Site

    @property
    def named(self) -> dict[str, str]:
        """The site."""
        return {"site": self._site_key}

    @property
    def owner(self) -> tuple[str, str]:
        """The site: who has the id of a conversation goes on with it, on pages of this site."""
        return "site", self._site_key

    def expect_welcome(self, client: HTTPConnection, settings: EdgeSettings) -> None:
        """Ask whether the page may have the widget.

        A page of the same origin names none when it only reads. Every page names one when it opens
        a WebSocket: who does not is no page.

        Raises:
            AccessDenied: ``site_unknown`` or ``origin_forbidden``.
        """
        self.site = self._find(self._site_key)
        origin = client.headers.get("origin")
        if origin is None and client.scope["type"] == "http":
            return
        if origin is None:
            raise AccessDenied("the widget is for pages", "origin_forbidden")
        if origin not in self.site.origins:
            if SELF not in self.site.origins:
                raise AccessDenied("this page may not have this widget", "origin_forbidden")
            check_origin(client, settings)
            if is_loopback(settings.host):
                check_host(client, settings)
        self.origin = origin

    def accounts(self, network: str) -> Iterable[Account]:
        """Return the visitor's account, then the site's: floods end at the first."""
        visitor, everybody = self.site.shares
        name = f"visitor {self._site_key} {network}"
        yield Account(name, visitor, "your address")
        yield Account(f"site {self._site_key}", everybody, "this site")

    def expect_stay(self) -> None:
        """Ask whether the site still is there, and still wants the page.

        Raises:
            AccessDenied: ``site_unknown`` or ``origin_forbidden``.
        """
        origins = self._find(self._site_key).origins
        if self.origin not in origins and SELF not in origins:
            raise AccessDenied("this page may not have this widget any more", "origin_forbidden")

    def terms(self, asked: Start) -> Start:
        """Return how the session is to be: as the site says, whatever the page asked for.

        The page chooses its conversation, the language where the site does not, the rate of the
        audio, and whether there is any. Files are for callers with a key.
        """
        ours = {
            name: getattr(self.site.session, name) for name in SessionSettings.__struct_fields__
        }
        ours["language"] = self.site.session.language or asked.language
        output = asked.output
        if self.site.mode == "text":
            output = type(output)(audio=False, sample_rate=output.sample_rate)
        return Start(
            **ours,
            input=Input(format="pcm_s16le"),
            output=output,
            resume=asked.resume,
            conversation=asked.conversation,
            link_code=asked.link_code,
        )
