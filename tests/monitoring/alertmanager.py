"""A real Alertmanager with the project's own configuration, filled in as an operator does it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import pytest
import yaml
from msgspec import Struct

from tests.deploy.stage import placed
from tests.monitoring.prometheus import DEPLOY, tool
from tests.plain import PLAIN
from voicebus.parts import free_port

FOLDER: Final = DEPLOY / "alertmanager"
EXAMPLE: Final = re.compile(r"^    # ( *(?:- )?\w+:)", re.MULTILINE)
WIKI: Final = "https://wiki.example/"
_LIMIT_S: Final = 30.0


class Message(Struct, frozen=True):
    """What a receiver was sent.

    Fields
        receiver: By its name in the configuration.
        body: As it came.
    """

    receiver: str
    body: dict[str, Any]


class Receivers:
    """An HTTP server in the place of a pager, a chat and a dead man's switch; a context manager.

    Attributes:
        messages: What came, in the order in which it came.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            """Takes one message."""

            def do_POST(self) -> None:
                """Keep what is sent."""
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receivers.messages.append(Message(self.path.strip("/"), body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, receiver: str) -> list[dict[str, Any]]:
        """What one of them was sent."""
        return [message.body for message in self.messages if message.receiver == receiver]


def filled_in(folder: Path, url: str) -> Path:
    """Copy the configuration and follow its own examples; return the file.

    Args:
        folder: Where the copy is made.
        url: Of the receivers.
    """
    here = folder / "alertmanager"
    shutil.copytree(FOLDER, here)
    (here / "slack.url").write_text(f"{url}/ticket")
    (here / "pagerduty.key").write_text("0" * 32)
    config = here / "alertmanager.yml"
    text = EXAMPLE.sub(r"    \1", config.read_text())
    for own, other in (
        ("/etc/alertmanager", str(here)),
        ("https://switch.example/ping", f"{url}/watchdog"),
        ("group_wait: 30s", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
    ):
        assert own in text, own
        text = text.replace(own, other)
    config.write_text(f"{text}\nglobal: {{pagerduty_url: {url}/page}}\n")
    template = here / "voicebus.tmpl"
    text = re.sub(r'(?<=define "voicebus.runbooks" }}){{/\*.*?\*/}}', WIKI, template.read_text())
    assert WIKI in text
    template.write_text(text)
    return config


class Alertmanager:
    """An Alertmanager, started with the words of its container; a context manager.

    Args:
        folder: For its data and its configuration.
        config: Its configuration; see :func:`filled_in`.
    """

    def __init__(self, folder: Path, config: Path) -> None:
        self._folder = folder
        self._config = config
        self.address = f"127.0.0.1:{free_port()}"
        self._client = httpx2.Client(base_url=f"http://{self.address}", timeout=10.0, **PLAIN)

    def __enter__(self) -> Self:
        services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
        mounts = {"/etc/alertmanager": self._config.parent, "/alertmanager": self._folder / "data"}
        words = [placed(word, mounts) for word in services["alertmanager"]["command"]]
        with (self._folder / "alertmanager.log").open("wb") as output:
            self._process = subprocess.Popen(
                [tool("alertmanager"), *words, f"--web.listen-address={self.address}"],
                stdout=output,
                stderr=output,
            )
        try:
            self.wait(self._is_ready)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(20)

    def fire(self, alerts: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        """Be Prometheus, with alerts that fire: each by its name and its labels' values."""
        rules = {
            rule["alert"]: rule
            for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())[
                "groups"
            ]
            for rule in group["rules"]
        }
        body = [
            {
                "labels": {"alertname": name, **rules[name]["labels"], **labels},
                "annotations": rules[name]["annotations"],
            }
            for name, labels in alerts
        ]
        self._client.post("/api/v2/alerts", json=body).raise_for_status()

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something is so; its log is in the failure."""
        deadline = time.monotonic() + _LIMIT_S
        while not until():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail((self._folder / "alertmanager.log").read_text())
            time.sleep(0.1)

    def suppressed(self) -> set[str]:
        """The alerts of which nobody is told, because others explain them."""
        found = self._client.get("/api/v2/alerts").json()
        return {one["labels"]["alertname"] for one in found if one["status"]["inhibitedBy"]}

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False
