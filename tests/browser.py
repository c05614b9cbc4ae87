"""A headless Chromium with a fake microphone, driven over its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)

START_S = 100.0
"""A browser that was just installed reads hundreds of megabytes from a cold disk first."""


NAMES = ("chromium", "chromium-browser", "google-chrome")


def installed() -> str:
    """Return the path of an installed Chromium, or ""."""
    return next(filter(None, map(shutil.which, NAMES)), "")


class Page:
    """One tab. Belongs to one task: a command is sent, and messages are read up to its answer."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sent = 0
        self.complaints: list[str] = []

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run one command of the debugging protocol; what the page complains about is kept."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        await self._connection.send(json.dumps(message))
        while True:
            answer = json.loads(await self._connection.recv())
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                return dict(answer["result"])
            if answer.get("method") == "Log.entryAdded":
                entry = answer["params"]["entry"]
                if entry["level"] == "error":
                    self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
            if answer.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(answer["params"]["exceptionDetails"]))

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript (as if a person had just touched the page); return its JSON value."""
        result = await self.command(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until the expression is true."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self.evaluate(f"Boolean({expression})"):
            if asyncio.get_running_loop().time() > deadline:
                seen = await self.evaluate("document.body.innerText")
                raise AssertionError(f"never true: {expression}\n{self.complaints}\n{seen}")
            await asyncio.sleep(0.05)

    async def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        await self.command("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && window.voicebus")

    async def key(self, name: str, text: str = "") -> None:
        """Press and release one key."""
        code = {"Enter": 13, "Tab": 9, " ": 32, "Escape": 27}.get(name, 0)
        for kind in ("keyDown", "keyUp"):
            await self.command(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    async def screenshot(self) -> bytes:
        """Return a PNG of what is visible."""
        result = await self.command("Page.captureScreenshot", format="png")
        return base64.b64decode(result["data"])

    async def look(self, scheme: str, width: int, height: int) -> None:
        """Set the colour scheme and the size of the window."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.command("Emulation.setEmulatedMedia", features=features)
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )


@contextlib.contextmanager
def shared(chromium: str, profile: Path, *flags: str) -> Iterator[str]:
    """Run a Chromium for several tests; yield its address. Each :func:`tab` has its own storage."""
    argv = [chromium, *FLAGS, f"--user-data-dir={profile}", *flags]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_S
            while len(words := _words_in(profile / "DevToolsActivePort")) != 2:
                assert time.monotonic() < deadline, "the browser does not start"
                time.sleep(0.05)
            yield f"ws://127.0.0.1:{words[0]}{words[1]}"
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def tab(address: str) -> AsyncIterator[Page]:
    """Open a tab that shares nothing with others in a browser that runs."""
    async with connect(address, proxy=None, max_size=None) as control:
        browser = Page(control)
        context = (await browser.command("Target.createBrowserContext"))["browserContextId"]
        target = await browser.command(
            "Target.createTarget", url="about:blank", browserContextId=context
        )
        place = f"{address.split('/devtools', maxsplit=1)[0]}/devtools/page/{target['targetId']}"
        async with connect(place, proxy=None, max_size=None) as connection:
            page = Page(connection)
            for domain in ("Page", "Runtime", "Log"):
                await page.command(f"{domain}.enable")
            yield page
        await browser.command("Target.disposeBrowserContext", browserContextId=context)


@contextlib.asynccontextmanager
async def browse(chromium: str, profile: Path, *flags: str) -> AsyncIterator[Page]:
    """Run a Chromium with a new profile folder and open one tab in it."""
    process = await asyncio.create_subprocess_exec(
        chromium,
        *FLAGS,
        f"--user-data-dir={profile}",
        *flags,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_S):
            port, path = await _port(profile / "DevToolsActivePort")
        browser = f"ws://127.0.0.1:{port}"
        async with connect(f"{browser}{path}", proxy=None, max_size=None) as control:
            target = await Page(control).command("Target.createTarget", url="about:blank")
            tab = f"{browser}/devtools/page/{target['targetId']}"
            async with connect(tab, proxy=None, max_size=None) as connection:
                page = Page(connection)
                for domain in ("Page", "Runtime", "Log"):
                    await page.command(f"{domain}.enable")
                yield page
            # It may be gone already.
            with contextlib.suppress(AssertionError, ConnectionClosed):
                await Page(control).command("Browser.close")
    finally:
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _port(written: Path) -> list[str]:
    """Wait until the browser has written its port and path; only its file tells."""
    while len(port_and_path := _words_in(written)) != 2:
        await asyncio.sleep(0.05)
    return port_and_path


def _words_in(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
