"""Pages of other sites with widgets on them, and what people do there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.browser import Page, browse
from tests.plain import PLAIN
from tests.system import System
from voicebus import health

STRICT: Final = (
    "default-src 'none'; script-src {edge}; connect-src {edge} {ws}; "
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The strictest policy that docs/reference/widget.md promises to be enough."""

WIDGET: Final = '<voicebus-widget id="{0}" site="{0}"{1}></voicebus-widget>'

SITES: Final = "sites.toml"
"""Name of the file with the sites of a system."""

UNPROCESSED: Final = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = ({ audio }) => {
  const off = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return open({ audio: { ...audio, ...off } });
};
"""
"""Makes the microphone a wire, so that words can be compared."""

NOTE_EVENTS: Final = """
window.noted = [];
for (const name of ["load", "open", "close", "statechange", "caption", "turn", "reply", "turnend",
                    "consent", "error"]) {
  for (const one of document.querySelectorAll("voicebus-widget")) {
    one.addEventListener(name, ({ detail }) => noted.push([one.id, name, detail]));
  }
}
"""
"""Keeps every event of every widget."""


IMPORT: Final = re.compile(r"""from ["'](\..*?)["']""")


@dataclass
class Host:
    """A web server of a site.

    Attributes:
        origin: Of its pages.
        body: What stands on its page.
        edge: Where the widget comes from.
        policy: Content-Security-Policy of the page.
    """

    origin: str
    edge: str = ""
    body: str = ""
    script: str = "/widget/widget.js"
    policy: str = STRICT

    def page(self) -> Response:
        """Return the page."""
        edge = self.edge
        policy = self.policy.format(edge=edge, ws=edge.replace("http", "ws", 1))
        text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A shop</title>
<script type="module" src="{edge}{self.script}"></script></head>
<body><main><h1>A shop</h1><p>With tea.</p>{self.body}</main></body></html>"""
        return HTMLResponse(text, headers={"content-security-policy": policy})


def widget(site: str, **attributes: str) -> str:
    """Return the element of one widget; underscores of attributes are dashes."""
    written = "".join(f' {name.replace("_", "-")}="{v}"' for name, v in attributes.items())
    return WIDGET.format(site, written)


@asynccontextmanager
async def hosted() -> AsyncIterator[Host]:
    """Serve pages of a site, on an origin of its own."""
    listener = health.bind("127.0.0.1", 0)
    host = Host(f"http://{health.address(listener)}")

    async def index(_: Request) -> Response:
        return host.page()

    async with health.serve(Starlette(routes=[Route("/", index)]), listener):
        yield host


@asynccontextmanager
async def visited(chromium: str, folder: Path, sample: Path, *flags: str) -> AsyncIterator[Page]:
    """A browser whose microphone is allowed, and plays the sample once."""
    allowed = (
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={sample}%noloop",
    )
    async with browse(chromium, folder / "profile", *(flags or allowed)) as page:
        await page.look("light", 900, 800)
        yield page


async def go(page: Page, host: Host, *sites: str) -> None:
    """Open the site's page, and wait until the widgets with these ids are there."""
    await page.command("Page.navigate", url=host.origin)
    await page.until("document.readyState === 'complete' && customElements.get('voicebus-widget')")
    await page.evaluate(NOTE_EVENTS)
    for site in sites:
        await page.until(f"{element(site)}?.isReady")


def element(site: str) -> str:
    """Return JavaScript for the element with this id."""
    return f"document.getElementById({site!r})"


def inside(site: str, selector: str) -> str:
    """Return JavaScript for what is inside of a widget."""
    return f"{element(site)}.shadowRoot.querySelector({selector!r})"


async def press(page: Page, site: str, selector: str) -> None:
    """Press a button of a widget."""
    await page.evaluate(f"{inside(site, selector)}.click()")


async def text_of(page: Page, site: str, selector: str) -> str:
    """Return what can be read in a part of a widget."""
    return str(await page.evaluate(f"{inside(site, selector)}?.innerText.trim() ?? ''"))


async def type_turn(page: Page, site: str, text: str) -> None:
    """Type into a widget, and send it."""
    await page.evaluate(f"{inside(site, '#text')}.value = {text!r}")
    await page.evaluate(f"{inside(site, 'form')}.requestSubmit()")


async def consent(page: Page, site: str) -> None:
    """Press the microphone, and agree to what is asked."""
    await press(page, site, "#talk")
    await page.until(f"!{inside(site, '#consent')}.hidden")
    await press(page, site, "#consent .strong")


async def events(page: Page, site: str, name: str) -> list[Mapping[str, object]]:
    """Return the details of a widget's events of one kind."""
    found = await page.evaluate(
        f"noted.filter(([id, name]) => id === {site!r} && name === {name!r}).map((one) => one[2])"
    )
    return list(found)


async def scripts(client: httpx2.AsyncClient) -> dict[str, int]:
    """Return the bytes of each script that a page with a widget loads, as it is sent.

    Not of those that play and record, which are loaded when somebody speaks.
    """
    loaded: dict[str, int] = {}
    waiting = ["/widget/widget.js"]
    while waiting:
        path = waiting.pop()
        answer = await client.get(path)
        assert answer.status_code == 200, path
        loaded[path] = int(answer.headers["content-length"])
        found = {urljoin(path, name) for name in IMPORT.findall(answer.text)}
        waiting += found - loaded.keys() - set(waiting)
    return loaded


async def open_sites(system: System, host: Host, **more: str) -> None:
    """Let the host's pages have widgets: a site for each name, with these lines of TOML."""
    texts = [
        f'[sites.{key}]\norigins = ["{host.origin}"]\n{lines}\n' for key, lines in more.items()
    ]
    path = system.folder / SITES
    await asyncio.to_thread(path.write_text, "\n".join(texts), encoding="utf-8")
    host.edge = system.root
    async with asyncio.timeout(20), httpx2.AsyncClient(**PLAIN) as client:
        for key in more:
            url, headers = f"{system.root}/widget/sites/{key}", {"origin": host.origin}
            while (await client.get(url, headers=headers)).status_code != 200:
                await asyncio.sleep(0.1)
