"""A system with everything that a dashboard has a panel for, and what is outside of it.

Synthetic ears and voice; two providers of language models, of which the first one has a price and
fails for a while; a server with functions; a messenger, telephones and a site with a widget; and
`voicebus autoscale`, which keeps one more voice.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from tests.bridges.telegram.bot_api.server import BotApi
from tests.e2e.test_up import VOICEBUS, Up, up
from tests.e2e.upstream import LanguageModel
from tests.monitoring.talker import talker
from tests.plain import PLAIN
from tests.system import SYNTHETIC
from voicebus import parts

BOT: Final = 11_001
SITE: Final = "shop"
SECRET: Final = "open-sesame-and-quickly"
_START_LIMIT_S: Final = 60.0

_PERSONA: Final = """---
tools:
  allow: [shop.stock]
---
You sell tea.
"""
_SERVERS: Final = """[servers.shop]
command = ["{python}", "-m", "tests.services.tool.shop"]
env = {{PYTHONPATH = "{root}"}}
allow = ["stock"]
"""
_SITES: Final = f"""[sites.{SITE}]
origins = ["self"]
language = "en"
"""
_PROVIDERS: Final = """
[providers.cloud]
url = "{cloud}"
model = "echo"
price = {{prompt = 0.25, reply = 2.0}}

[providers.house]
url = "{house}"
model = "echo"
"""


@dataclass(frozen=True)
class House:
    """What runs, and where it is reached.

    Attributes:
        up: The system.
        api: The Bot API that the bridge speaks to.
        cloud: The provider that is asked first.
        telephones: Where Twilio's calls come in.
        autoscaler: ``host:port`` of the page of ``voicebus autoscale``.
    """

    up: Up
    api: BotApi
    cloud: LanguageModel
    telephones: str
    autoscaler: str

    @property
    def edge(self) -> str:
        """``host:port`` of the edge."""
        return f"127.0.0.1:{self.up.port}"


@contextmanager
def house(folder: Path, given: Mapping[str, str]) -> Iterator[House]:
    """Run it.

    Args:
        folder: For its files.
        given: Settings besides its own, without their ``VOICEBUS_``.
    """
    port = parts.free_port()
    with BotApi() as api, LanguageModel() as cloud, LanguageModel() as other:
        cloud.script = other.script = talker
        written = _write(folder, cloud.url, other.url)
        settings = {
            **SYNTHETIC,
            **written,
            "LLM_ENGINE": "openai",
            "UP_TELEPHONY": "true",
            "TELEPHONY_PORT": str(port),
            "TELEPHONY_SECRET": SECRET,
            "TELEGRAM_TOKEN": api.add_bot(BOT).token,
            "TELEGRAM_API_URL": api.url,
            "EDGE_CODES_PER_MIN": "100",
            **given,
        }
        with up(folder, settings) as running:
            running.until_serving()
            with _autoscaler(running, folder) as page:
                telephones = f"ws://127.0.0.1:{port}/twilio/{SECRET}"
                yield House(running, api, cloud, telephones, page)


def _write(folder: Path, cloud: str, other: str) -> dict[str, str]:
    """Write the files; return the settings that name them."""
    shown = {"python": sys.executable, "root": str(parts.project_root())}
    texts = {
        "servers.toml": _SERVERS.format(**shown),
        "sites.toml": _SITES,
        "providers.toml": _PROVIDERS.format(cloud=cloud, house=other),
        "shop.md": _PERSONA,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {
        "TURN_PERSONAS_DIR": str(folder),
        "EDGE_PERSONA": "shop",
        "TOOL_SERVERS_FILE": str(folder / "servers.toml"),
        "EDGE_WIDGET_SITES_FILE": str(folder / "sites.toml"),
        "LLM_PROVIDERS_FILE": str(folder / "providers.toml"),
    }


@contextmanager
def _autoscaler(system: Up, folder: Path) -> Iterator[str]:
    """Run ``voicebus autoscale`` beside a system, with a page of its own; yields its address."""
    address = f"127.0.0.1:{parts.free_port()}"
    environ = {**system.environ, "VOICEBUS_METRICS_PORT": address.rpartition(":")[2]}
    with (folder / "autoscale.log").open("wb") as output:
        running = subprocess.Popen(
            [VOICEBUS, "autoscale", "tts=1:2"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _until_ready(f"http://{address}/readyz", folder / "autoscale.log")
        yield address
    finally:
        running.terminate()
        running.wait(30)


def _until_ready(url: str, log: Path) -> None:
    until_s = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            if httpx2.get(url, timeout=2.0, **PLAIN).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < until_s, log.read_text()
        time.sleep(0.1)
