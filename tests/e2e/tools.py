"""Systems whose models may call functions, of the servers that a test writes into a file."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.upstream import LanguageModel
from tests.models import model_path
from tests.system import SYNTHETIC, System
from voicebus import parts
from voicebus.parts import project_root

SERVERS: Final = "servers.toml"
"""Name of the file with the servers."""

CONNECTED_LIMIT_S: Final = 30.0


def environment(log: Path) -> dict[str, str]:
    """What the shop's server needs to be found, and to note what it is asked for."""
    return {"PYTHONPATH": str(project_root()), "SHOP_LOG": str(log)}


def inline(table: Mapping[str, str]) -> str:
    """A table as TOML on one line."""
    return "{" + ", ".join(f'{name} = "{value}"' for name, value in table.items()) + "}"


@contextmanager
def system_with_tools(folder: Path, persona: str, model: LanguageModel) -> Iterator[System]:
    """A system with a tool worker that is connected to all of its servers.

    Args:
        folder: Has the file with the servers, and the personas.
        persona: The one that answers.
        model: A language model server that asks for functions.
    """
    model_path("silero-vad")
    servers = folder / SERVERS
    settings = {
        **SYNTHETIC,
        "LLM_ENGINE": "openai",
        "LLM_URL": model.url,
        "TURN_PERSONAS_DIR": str(folder),
        "EDGE_PERSONA": persona,
        "TOOL_SERVERS_FILE": str(servers),
    }
    with System(folder / "system", settings, roles=(*parts.ROLES, "tool")) as running:
        _wait_connected(running, len(tomllib.loads(servers.read_text())["servers"]))
        yield running


def _wait_connected(system: System, servers: int) -> None:
    deadline_s = time.monotonic() + CONNECTED_LIMIT_S
    while system.processes["tool"].log.count("tools.connected") < servers:
        assert time.monotonic() < deadline_s, system.processes["tool"].log
        time.sleep(0.05)
