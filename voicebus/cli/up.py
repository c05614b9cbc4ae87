"""``voicebus up``: the whole system on this machine, which proves itself before it serves."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import socket
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from starlette.applications import Starlette

from voicebus import control, credentials, health, operator, parts, process, settings, targets
from voicebus.audio.pcm import samples_of
from voicebus.audio.wav import read_wav, write_wav
from voicebus.bus.layout import make_layout
from voicebus.bus.server_config import adopt
from voicebus.caller import call
from voicebus.cli.show import harmless, wrapped
from voicebus.errors import AccessDenied, ConfigError, EngineError, VoicebusError
from voicebus.models import ModelStore, default_folder, progress_for
from voicebus.nats_cluster import COPIES, cluster_parts
from voicebus.settings import PREFIX, TALK_SCOPE, BusSettings, TalkSettings
from voicebus.supervisor import Part, Supervisor, UpSettings
from voicebus.waterfall import draw_waterfall

SAMPLE: Final = "austen-amiable.wav"
_EDGE: Final = "EDGE_NAME"
_TELEPHONY: Final = "TELEPHONY_NAME"
_TELEGRAM: Final = "TELEGRAM_NAME"
_NAMES: Final = {_EDGE: "local", _TELEPHONY: "telephony", _TELEGRAM: "telegram"}
"""What edges and the bridge are called on the bus, unless their settings say it. No two of them the
same: workers would take one for the other, started anew, and let go of its sessions."""

_DRAIN_ORDER: Final = (
    *("telegram", "telephony", "edge", "supervisor", "turn", "stt", "llm", "tool", "tts", "llama"),
)
"""Then the bus."""

_RESTART_ORDER: Final = (
    *("supervisor", "stt", "turn", "llm", "tool", "tts", "edge", "telephony", "telegram", "nats"),
)
"""The bus is last: nobody is on the way when all come back to it. Not the servers of a cluster, nor
the language model's server, which has no second one beside it."""


def add_parser(subparsers: Any) -> None:
    """Add ``up``."""
    parser = subparsers.add_parser(
        "up", help="start everything on this machine and talk to it once", description=__doc__
    )
    parser.add_argument("--port", type=int, default=8080, help="port of the edge (8080)")
    parser.add_argument(
        "--cluster",
        type=int,
        default=1,
        choices=(1, 3, 5),
        help="how many servers the bus has, on this machine, to try a cluster (1)",
    )
    parser.add_argument("--once", action="store_true", help="stop after the sample has been spoken")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``up``."""
    return process.run("up", lambda stop: _up(stop, args.port, args.once, args.cluster))


async def _up(stop: asyncio.Event, port: int, once: bool, size: int) -> None:  # noqa: FBT001
    begun_s = time.monotonic()
    up = settings.read(UpSettings, os.environ, "UP_")
    store = ModelStore(default_folder(os.environ))
    await asyncio.to_thread(_pull, store, parts.needed_models(os.environ, up))
    health.bind("127.0.0.1", port).close()
    logs = up.folder() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with _alone(up.folder()):
        supervisor = Supervisor(logs, _say_ready)
        listener = targets.bind(up.metrics_port)
        app = Starlette(routes=targets.routes(supervisor, health.address(listener), up.store()))
        try:
            async with (
                health.serve(app, listener),
                control.listening(up.folder(), partial(_obey, supervisor)),
                asyncio.TaskGroup() as group,
            ):
                group.create_task(_until(stop))
                edge = await _start_all(supervisor, group, up, store, port, size)
                took_s = time.monotonic() - begun_s
                _say(f"{'up':<10} ready  {took_s:5.1f} s  {_metrics_of(listener)}\n")
                try:
                    await _prove(edge, up.folder())
                except AccessDenied as err:
                    if once:
                        raise
                    _say(f"Not tried out: {err}. With VOICEBUS_TALK_KEY it will be.")
                if once:
                    _say("\nOnce was asked for: stopping.")
                    stop.set()
                else:
                    _say(f"\nTalk to it: {edge.shown_url}/   (Ctrl-C ends everything)")
                await stop.wait()
        except* _Stopped:
            pass
        finally:
            operator.take_word_back(up.folder())
            last = (name for name in supervisor.readiness() if name not in _DRAIN_ORDER)
            await supervisor.stop((*_DRAIN_ORDER, *last))


async def _obey(supervisor: Supervisor, words: Sequence[str], tell: control.Tell) -> None:
    """Carry out ``restart NAME…``.

    Raises:
        ConfigError: It is another order.
        PartFailed: A part does not come up; those after it are left as they are.
    """
    if len(words) < 2 or words[0] != "restart":
        raise ConfigError("known is: restart NAME…")
    running = supervisor.readiness()
    every = [name for name in _RESTART_ORDER if name in running]
    for name in every if words[1:] == ["all"] else words[1:]:
        begun_s = time.monotonic()
        departure = await supervisor.restart(name)
        took_s = time.monotonic() - begun_s
        tell(
            f"{name:<10} {took_s:5.1f} s, of which the old one took {departure.took_s:.1f} s to go"
        )


def _metrics_of(listener: socket.socket) -> str:
    return f"http://{health.address(listener)}/metrics"


class _Stopped(Exception):
    """Raised to leave the start-up when somebody asks to stop."""


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
    raise _Stopped


async def _start_all(
    supervisor: Supervisor,
    group: asyncio.TaskGroup,
    up: UpSettings,
    store: ModelStore,
    port: int,
    size: int,
) -> Part:
    # Somebody else's bus is reached as the settings say. Its own has users, each with a key.
    is_ours = "VOICEBUS_NATS_URL" not in os.environ
    names = {name: os.environ.get(PREFIX + name) or own for name, own in _NAMES.items()}
    given = await _start_bus(supervisor, group, up, size, names) if is_ours else {}

    def user(name: str) -> Mapping[str, str]:
        return parts.with_key(environ, up.users(), name) if is_ours else environ

    llama_ready = None
    if parts.needs_llama(os.environ):
        llama = parts.llama_part(up, store, os.environ)
        given |= {"LLM_KIND": "llama.cpp", "LLM_URL": llama.shown_url, "LLM_PREFILL": "true"}
        llama_ready = await supervisor.start(group, llama)
    environ = parts.environment(os.environ, **given)
    if is_ours:
        await make_layout(settings.read(BusSettings, user("admin")))
    # The heaviest to load first.
    waiting = [
        await supervisor.start(group, parts.worker_part(role, user(role)))
        for role in ("stt", "tts", "turn")
    ]
    guarding = dict(user("supervisor"))
    if is_ours:
        seed = credentials.seed_of(up.users(), "system")
        guarding["VOICEBUS_SUPERVISOR_SYSTEM_NKEY_FILE"] = str(seed)
    waiting.append(await supervisor.start(group, parts.supervisor_part(guarding)))
    edge = parts.edge_part(port, user(credentials.edge_user(names[_EDGE])))
    waiting.append(await supervisor.start(group, edge))
    if up.telephony:
        telephony = parts.telephony_part(user(credentials.edge_user(names[_TELEPHONY])))
        waiting.append(await supervisor.start(group, telephony))
    if parts.needs_telegram(os.environ):
        # It is ready though Telegram is away: nothing but its own settings keeps it from that.
        bridge = parts.telegram_part(user(credentials.bridge_user(names[_TELEGRAM])))
        waiting.append(await supervisor.start(group, bridge))
    if llama_ready is not None:
        await llama_ready
    waiting.append(await supervisor.start(group, parts.worker_part("llm", user("llm"))))
    if os.environ.get("VOICEBUS_TOOL_SERVERS_FILE"):
        waiting.append(await supervisor.start(group, parts.worker_part("tool", user("tool"))))
    await asyncio.gather(*waiting)
    return edge


async def _start_bus(
    supervisor: Supervisor,
    group: asyncio.TaskGroup,
    up: UpSettings,
    size: int,
    names: Mapping[str, str],
) -> dict[str, str]:
    """Start the bus and its users; return what its clients' settings are."""
    edges = (names[_EDGE], *([names[_TELEPHONY]] if up.telephony else []))
    cell = settings.read(BusSettings, os.environ).cell
    credentials.ensure(up.users(), cell, edges, (names[_TELEGRAM],))
    servers = _servers(up, size)
    urls = ",".join(server.shown_url for server in servers)
    copies = min(size, COPIES)
    await asyncio.gather(*[await supervisor.start(group, server) for server in servers])
    operator.leave_word(up.folder(), operator.Word(nats_url=urls, replicas=copies))
    return {"NATS_URL": urls, "REPLICAS": str(copies), **names}


def _servers(up: UpSettings, size: int) -> tuple[Part, ...]:
    users = credentials.config_of(up.users())
    if size > 1:
        return cluster_parts(up, os.environ, users, size)
    adopt(up.store(), credentials.ACCOUNT)
    return (parts.nats_part(up, os.environ, users),)


async def _prove(edge: Part, folder: Path) -> None:
    """Speak a recorded sentence through the system, as a caller does."""
    samples = parts.project_root() / "examples" / "samples"
    spoken = _words_of(samples)
    _, recording = read_wav(samples / SAMPLE)
    url = edge.shown_url.replace("http://", "ws://", 1) + "/ws"
    key = settings.read(TalkSettings, os.environ, TALK_SCOPE).key
    async with call(url, key=key) as caller:
        heard = await caller.speak(recording)
    if heard.errors:
        raise EngineError(f"the sample was not answered: {heard.errors[0]}")
    if not heard.transcript or not heard.reply or not heard.audio:
        raise EngineError("the sample was not answered: words or audio are missing")
    reply = folder / "reply.wav"
    write_wav(reply, samples_of(heard.audio), heard.rate_hz or 24_000)
    _say(f"said        {spoken}")
    _say(f"transcript  {harmless(heard.transcript)}")
    _say(wrapped(f"answer      {harmless(heard.reply)}", indent=12))
    _say("")
    _say(draw_waterfall(heard.server_stages, heard.response_ms))
    if heard.synthetic:
        _say("\nSynthetic engines made this answer.")
    _say(f"\n{heard.audio_seconds:.1f} s of answer in {reply}")


def _words_of(samples: Path) -> str:
    listed = tomllib.loads((samples / "samples.toml").read_text())["sample"]
    return str(next(entry["text"] for entry in listed if entry["file"] == SAMPLE))


def _pull(store: ModelStore, names: tuple[str, ...]) -> None:
    missing = []
    for name in names:
        try:
            store.path(name)
        except VoicebusError:
            missing.append(name)
    if missing:
        _say(f"models are fetched once: {', '.join(missing)}")
        store.pull(missing, progress_for(sys.stdout))


def _say_ready(part: Part, seconds: float) -> None:
    _say(f"{part.name:<10} ready  {seconds:5.1f} s  {part.shown_url}")


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _alone(folder: Path) -> Iterator[IO[str]]:
    """Hold the data folder: two systems on one store would spoil it.

    Raises:
        ConfigError: Another system uses it.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise ConfigError(
                f"another `voicebus up` uses {folder}: stop it, or set VOICEBUS_UP_DATA_DIR"
            ) from err
        yield lock
