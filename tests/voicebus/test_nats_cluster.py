"""The cluster of ``voicebus up``: its servers find each other, and nobody else's finds them."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.nats_server import nats_server_binary
from tests.plain import PLAIN
from voicebus import credentials
from voicebus.nats_cluster import cluster_parts
from voicebus.parts import free_port
from voicebus.supervisor import UpSettings

SIZE = 3
LIMIT_S = 60.0


@contextmanager
def server(argv: list[str], log: Path) -> Iterator[None]:
    """Run a server while the context lasts."""
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.kill()
            process.wait(20)


def told(monitor: str, page: str) -> dict[str, Any]:
    """What a server says of itself."""
    try:
        found: dict[str, Any] = httpx2.get(f"{monitor}/{page}", **PLAIN).json()
    except httpx2.HTTPError:
        return {}
    return found


def until_led(monitor: str) -> None:
    """Wait until a server knows a leader and all the others."""
    deadline_s = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline_s:
        meta = told(monitor, "jsz").get("meta_cluster") or {}
        if meta.get("leader") and meta.get("cluster_size") == SIZE:
            return
        time.sleep(0.1)
    pytest.fail("there is no cluster")


def test_only_servers_with_the_password_come_in(tmp_path: Path) -> None:
    """Three form a cluster; a fourth that knows the way and not the word stays outside."""
    up = UpSettings(data_dir=str(tmp_path / "data"), nats_port=free_port())
    credentials.create(up.users(), "local", ())
    parts = cluster_parts(up, {}, credentials.config_of(up.users()), SIZE)
    configs = [Path(part.argv[part.argv.index("-c") + 1]) for part in parts]
    texts = [config.read_text() for config in configs]
    passwords = {found for text in texts for found in re.findall(r'password: "(\w+)"', text)}
    port, outside = free_port(), free_port()
    route = re.findall(r"@(127\.0\.0\.1:\d+)", texts[0])[0]
    stranger = [
        *(nats_server_binary(), "-a", "127.0.0.1", "-p", str(port), "-m", str(outside)),
        *("--cluster_name", "voicebus", "--cluster", f"nats://127.0.0.1:{free_port()}"),
        *("--routes", f"nats://{route}", "--no_advertise"),
    ]
    monitor = parts[0].ready_url.removesuffix("/healthz")
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(server(list(part.argv), tmp_path / f"{part.name}.log"))
        until_led(monitor)
        stack.enter_context(server(stranger, tmp_path / "stranger.log"))
        deadline_s = time.monotonic() + LIMIT_S
        while "Authorization Violation" not in (tmp_path / "stranger.log").read_text():
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        names = {entry["remote_name"] for entry in told(monitor, "routez")["routes"]}
        shown = httpx2.get(f"{monitor}/varz", **PLAIN).text

    (password,) = passwords
    assert names == {"voicebus-2", "voicebus-3"}
    assert password not in shown
    assert [config.stat().st_mode & 0o777 for config in configs] == [0o600] * SIZE
