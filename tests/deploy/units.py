"""The systemd units, as far as the tests read them."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from msgspec import structs

from tests.deploy.stage import ROOT, Command, models
from voicebus.env_file import read_env_file

FOLDER: Final = ROOT / "deploy" / "systemd"
COMMON: Final = FOLDER / "voicebus-.service.d" / "common.conf"
INSTANCES: Final = {"edge": "web1", "telephony": "tel1", "telegram": "tg1"}
"""Which instance of a template is tried; others have numbers."""


class Unit:
    """A unit with what all of them have.

    Args:
        path: The file.

    Attributes:
        own: What it has besides, and no other unit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.removeprefix("voicebus-").partition(".")[0].rstrip("@")
        self.instance = INSTANCES.get(self.name, "1") if "@" in path.name else ""
        self.own = sorted(path.with_name(f"{path.name}.d").glob("*.conf"))
        # systemd reads them in the order of their names, wherever they are.
        pieces = sorted((COMMON, *self.own), key=lambda piece: piece.name)
        self._settings = [pair for piece in (path, *pieces) for pair in _settings(piece)]

    def all(self, key: str) -> list[str]:
        """Every value of a setting, with the instance's name in place."""
        return [value.replace("%i", self.instance) for k, value in self._settings if k == key]

    def one(self, key: str, default: str = "") -> str:
        """The value that counts."""
        return (self.all(key) or [default])[-1]

    def environment(self) -> dict[str, str]:
        """What the process is given."""
        words = [word for line in self.all("Environment") for word in shlex.split(line)]
        return {**read_env_file(FOLDER / "voicebus.env"), **dict(w.split("=", 1) for w in words)}


class Manager:
    """In the place of systemd, where units tell it how they are; a context manager.

    Args:
        folder: For a socket of each unit.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sockets: dict[str, socket.socket] = {}
        self._heard: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for listening in self._sockets.values():
            listening.close()

    def watching(self, unit: Unit, command: Command) -> Command:
        """Return a unit's command as systemd would start it: told where it listens, if it does."""
        if unit.one("Type") != "notify":
            return command
        path = self._folder / f"{unit.name}.notify"
        listening = self._sockets[unit.name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind(str(path))
        listening.setblocking(False)  # noqa: FBT003 - positional only
        told = {
            "NOTIFY_SOCKET": str(path),
            "WATCHDOG_USEC": str(int(float(unit.one("WatchdogSec")) * 1e6)),
        }
        return structs.replace(command, environment={**command.environment, **told})

    def heard(self) -> dict[str, set[str]]:
        """What each unit has said so far, without what STATUS= has to say of it."""
        for name, listening in self._sockets.items():
            said = self._heard.setdefault(name, [])
            try:
                while True:
                    said += listening.recv(4096).decode().splitlines()
            except BlockingIOError:
                continue
        return {
            name: {word for word in said if not word.startswith("STATUS=")}
            for name, said in self._heard.items()
        }


def units() -> list[Unit]:
    """Every service."""
    return [Unit(path) for path in sorted(FOLDER.glob("*.service"))]


def command_of(unit: Unit, machine: Path) -> Command:
    """The command line of a unit.

    Args:
        unit: The unit.
        machine: Folder in the place of the machine's root.
    """
    credentials = machine / "run" / "credentials" / unit.path.name
    credentials.mkdir(parents=True, exist_ok=True)
    for loaded in unit.all("LoadCredential"):
        name, _, source = loaded.partition(":")
        (credentials / name).write_bytes((machine / source.lstrip("/")).read_bytes())
    environment = {
        name: value.replace("%d", str(credentials)) for name, value in unit.environment().items()
    }
    return Command(
        name=unit.name,
        argv=tuple(shlex.split(unit.one("ExecStart"))),
        environment=environment,
        mounts={
            "/etc/voicebus": machine / "etc" / "voicebus",
            "/var/lib/voicebus/models": models(),
            "/var/lib/voicebus": machine / "var" / "lib" / "voicebus",
        },
    )


def _settings(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            yield key, value
