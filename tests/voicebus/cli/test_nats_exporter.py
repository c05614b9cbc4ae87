"""``voicebus nats-exporter``: a process of its own, for a bus that others run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.nats_server import NatsServer
from tests.plain import PLAIN
from voicebus.parts import free_port

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))


def until_answered(process: subprocess.Popen[bytes], url: str) -> str:
    """The page, once there is one."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx2.get(url, timeout=5.0, **PLAIN).text
        except httpx2.HTTPError:
            time.sleep(0.1)
    pytest.fail("the exporter does not answer")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def test_it_serves_until_it_is_asked_to_end(
    own_nats_server: NatsServer, systemd: socket.socket
) -> None:
    """Its page has the server's metrics; SIGTERM ends it in good order; systemd is told of both."""
    port = free_port()
    environ = os.environ | {
        "NOTIFY_SOCKET": str(systemd.getsockname()),
        "VOICEBUS_METRICS_PORT": str(port),
        "VOICEBUS_NATS_EXPORTER_URLS": own_nats_server.monitoring_url,
        "VOICEBUS_NATS_EXPORTER_STORE": str(own_nats_server.store),
    }
    with subprocess.Popen([VOICEBUS, "nats-exporter"], env=environ) as process:
        try:
            page = until_answered(process, f"http://127.0.0.1:{port}/metrics")
            ready = until_answered(process, f"http://127.0.0.1:{port}/readyz")
            told = systemd.recv(4096).decode()
            process.terminate()
            code = process.wait(30)
        finally:
            process.kill()
    last = systemd.recv(4096).decode()

    assert code == 0
    assert told.startswith("READY=1")
    assert last.startswith("STOPPING=1")
    assert "nats_up{" in page
    assert 'nats_connections{server="voicebus"} 0.0' in page
    assert "nats_disk_free_bytes" in page
    assert ready == '{"listening":true}'
