"""A whole system with a bridge to the tests' Bot API server, all of them real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from schemas.turn import ConverseRequest
from subjects.catalog import Place, subject_of
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.bot_api.server import BotApi
from tests.models import model_path
from tests.system import SYNTHETIC, Process, System
from voicebus import parts
from voicebus.audio.encode import encoder
from voicebus.bus.client import connect
from voicebus.bus.inbox import Inbox
from voicebus.settings import BusSettings

BOT: Final = 11_001
USERNAME: Final = "sea_bot"
REPLY: Final = "Well, the sea is wide and deep. Many have sailed it."

PERSONA: Final = "river"
"""Who answers where a bot says so; the fleet of the tests knows no other."""

SETTINGS: Final[Mapping[str, str]] = {
    **SYNTHETIC,
    "LLM_SYNTHETIC_REPLY": REPLY,
    "LLM_SYNTHETIC_TOKENS_PER_S": "40",
    "LLM_PREFILL": "true",
}


class Served:
    """A system, its bridges, and the server that they speak to.

    Args:
        system: The system.
        api: The Bot API.
        bots_file: The bots, for all bridges.
    """

    def __init__(self, system: System, api: BotApi, bots_file: Path) -> None:
        self.system = system
        self.api = api
        self._file = bots_file
        self._bots: dict[str, Any] = {}
        self._people = 500_000 + int(time.monotonic()) % 1000 * 100

    def configure(self, name: str, number: int, username: str = "", **fields: Any) -> None:
        """Have a bot in the file, as it is to be from now on."""
        if number not in self.api.accounts:
            self.api.add_bot(number, username)
        token = self.api.accounts[number].token
        if "token_file" in fields:
            (self._file.parent / fields["token_file"]).write_text(token)
            token = ""
        self._bots[name] = {"token": token, **fields}
        self._write()

    def renew_token(self, name: str, number: int) -> None:
        """Have Telegram know a bot by another token, and write that into the file of its token."""
        token = f"{number}:{'B' * 35}"
        self.api.accounts[number].token = token
        (self._file.parent / self._bots[name]["token_file"]).write_text(token)

    def remove(self, name: str) -> None:
        """Take a bot out of the file."""
        del self._bots[name]
        self._write()

    def bridge(self, name: str, **settings: str) -> Process:
        """Start a bridge; returns when it is ready."""
        environ = self.system.environment(
            TELEGRAM_API_URL=self.api.url,
            TELEGRAM_BOTS_FILE=str(self._file),
            WORKER_ID=name,
            **settings,
        )
        part = replace(parts.telegram_part(environ), name=name)
        process = self.system.add(part)
        self.system.wait_ready()
        return process

    def person(self, bot: int = BOT, **place: Any) -> Person:
        """Return somebody who was never here."""
        self._people += 1
        return Person(self.api, bot, self._people, **place)

    def until_metric(self, name: str, wanted: float, **labels: str) -> None:
        """Wait until a metric of the bridge has a value."""
        until_s = time.monotonic() + 30
        while self.system.metric("telegram", name, **labels) != wanted:
            assert time.monotonic() < until_s, f"{name} is not {wanted}"
            time.sleep(0.05)

    def spoil(self) -> str:
        """Write nonsense into the file of the bots; return what was there."""
        before = self._file.read_text()
        self._file.write_text("[bots")
        return before

    def mend(self, text: str) -> None:
        """Write the file of the bots anew."""
        self._file.write_text(text)

    def kill(self, process: Process) -> None:
        """Kill a process and let it be dead."""
        process.signal(signal.SIGKILL)
        process.wait(10)

    def restart(self, process: Process) -> None:
        """Start it again, and wait until it serves."""
        process.restart()
        self.system.wait_ready()

    def expect_clean(self) -> None:
        """Say that nobody broke Telegram's rules, and that no process met a bug."""
        assert self.api.errors == []
        assert self.api.violations == []
        bugs = [
            line
            for process in self.system.processes.values()
            for line in process.log.splitlines()
            if "Traceback" in line or "violation" in line.lower()
        ]
        assert bugs == []

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text("".join(_table(f"bots.{name}", bot) for name, bot in self._bots.items()))
        new.replace(self._file)


def _table(name: str, fields: Mapping[str, Any]) -> str:
    """Return a table of TOML, and those in it; JSON's strings, numbers and lists are TOML's."""
    own = [f"{n} = {json.dumps(v)}\n" for n, v in fields.items() if not isinstance(v, dict)]
    inner = [_table(f"{name}.{n}", v) for n, v in fields.items() if isinstance(v, dict)]
    return f"[{name}]\n{''.join(own)}\n{''.join(inner)}"


@contextmanager
def served(
    folder: Path,
    settings: Mapping[str, str] = SETTINGS,
    own: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Served]:
    """Run a system with one bot and one bridge, ``telegram``, while the context lasts."""
    model_path("silero-vad")
    personas = folder / "personas"
    personas.mkdir(exist_ok=True)
    (personas / f"{PERSONA}.md").write_text("You flow.")
    settings = {"TURN_PERSONAS_DIR": str(personas), **settings}
    with BotApi() as api, System(folder / "system", settings) as system:
        serving = Served(system, api, folder / "bots.toml")
        serving.configure("sea", BOT, USERNAME)
        serving.bridge("telegram", **own)
        yield serving


@asynccontextmanager
async def overheard(served: Served) -> AsyncIterator[list[ConverseRequest]]:
    """Note how sessions are asked for while the context lasts, in order."""
    bus = await connect(BusSettings(nats_url=served.system.nats.url), "test")
    asked: list[ConverseRequest] = []
    try:
        async with bus.listen(subject_of(ConverseRequest, Place("*", "*", "*"))) as inbox:
            await bus.flush()
            listening = asyncio.create_task(_note_all(inbox, asked))
            yield asked
            listening.cancel()
            await asyncio.wait((listening,))
    finally:
        await bus.close()


async def _note_all(inbox: Inbox, asked: list[ConverseRequest]) -> None:
    async for _, event in inbox:
        if isinstance(event, ConverseRequest):
            asked.append(event)


def ogg_of(pcm: bytes, rate_hz: int = 16_000) -> bytes:
    """Return samples as a voice message."""
    made = encoder("opus", rate_hz)
    return made.push(pcm) + made.finish()
