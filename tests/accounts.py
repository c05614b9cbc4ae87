"""A server that has an account for the system's events, with passwords for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.nats_server import CONFIG, NatsServer

SYSTEM_USER: Final = "system"
SYSTEM_PASSWORD: Final = "system-password"
_PASSWORD: Final = "voice-password"

_ACCOUNTS: Final = f"""
accounts {{
  VOICEBUS {{ jetstream: enabled, users: [ {{ user: voice, password: {_PASSWORD} }} ] }}
  SYS {{ users: [ {{ user: {SYSTEM_USER}, password: {SYSTEM_PASSWORD} }} ] }}
}}
system_account: SYS
"""


@contextmanager
def server_with_accounts(folder: Path) -> Iterator[NatsServer]:
    """Run the project's server with two accounts; stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "accounts.conf"
    config.write_text(CONFIG.read_text(encoding="utf-8") + _ACCOUNTS, encoding="utf-8")
    with NatsServer(folder, config) as server:
        yield server


def signed_in(url: str) -> str:
    """Return a server's address with the credentials of a process of the system."""
    return url.replace("nats://", f"nats://voice:{_PASSWORD}@", 1)
