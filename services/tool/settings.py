"""Settings of the tool worker: ``VOICEBUS_TOOL_…``, and the file of its servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from subjects.tokens import is_token
from voicebus import toml_file
from voicebus.errors import ConfigError

SCOPE = "TOOL_"


class ToolSettings(Struct, frozen=True, kw_only=True):
    """Which functions there are, and what they may take.

    Fields
        servers_file: TOML file of the servers that have functions; empty: there are none.
        slots: Calls that one worker makes at once.
        result_chars: Longest result; one that is longer is refused.
        again_s: How long after a server was lost it is connected to again.
    """

    servers_file: str = ""
    slots: int = 64
    result_chars: int = 16_000
    again_s: float = 2.0


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One MCP server: a command that is run, or an address.

    Fields
        command: Program and arguments, spoken to by its standard input and output.
        env: Environment variables of the program, besides a few harmless ones.
        url: Address of a server that is reached by Streamable HTTP.
        headers: Headers of each request to it.
        headers_file: TOML file with further ones, for secrets.
        allow: Functions that may be called; ``*`` at the end stands for anything.
        repeatable: Those that may be called twice without harm.
        timeout_s: How long a call may take.
    """

    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: str = ""
    headers: dict[str, str] = {}
    headers_file: str = ""
    allow: tuple[str, ...] = ("*",)
    repeatable: tuple[str, ...] = ()
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0

    def __post_init__(self) -> None:
        """Refuse what is neither a command nor an address."""
        if bool(self.command) == bool(self.url):
            raise ValueError("a server has a `command` or a `url`")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("`url` must begin with http:// or https://")


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    servers: dict[str, ServerSettings] = {}


def read_servers(settings: ToolSettings) -> dict[str, ServerSettings]:
    """Return the servers by their names.

    Raises:
        ConfigError: The file cannot be read, or a server is not as it must be.
    """
    if not settings.servers_file:
        return {}
    path = Path(settings.servers_file).expanduser()
    servers = toml_file.read(path, _File, "the servers of functions").servers
    for name, server in servers.items():
        if not is_token(name):
            raise ConfigError(f"{path}: {name!r} is no name: letters, digits, - and _")
        if server.headers_file:
            secret = toml_file.read(
                path.parent / server.headers_file, dict[str, str], f"the heads of server {name}"
            )
            servers[name] = msgspec.structs.replace(server, headers={**server.headers, **secret})
    return servers


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a function is one of those that are named."""
    return any(
        name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        for pattern in patterns
    )
