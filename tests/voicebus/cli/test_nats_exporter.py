"""``voicebus nats-exporter``: a process of its own, for a bus that others run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.nats_server import NatsServer
from voicebus.parts import free_port

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))


def until_answered(process: subprocess.Popen[bytes], url: str) -> str:
    """The page, once there is one."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx2.get(url, timeout=5.0, trust_env=False).text
        except httpx2.HTTPError:
            time.sleep(0.1)
    pytest.fail("the exporter does not answer")


def test_it_serves_until_it_is_asked_to_end(own_nats_server: NatsServer) -> None:
    """Its page has the server's metrics; SIGTERM ends it in good order."""
    port = free_port()
    environ = os.environ | {
        "VOICEBUS_METRICS_PORT": str(port),
        "VOICEBUS_NATS_EXPORTER_URLS": own_nats_server.monitoring_url,
        "VOICEBUS_NATS_EXPORTER_STORE": str(own_nats_server.store),
    }
    with subprocess.Popen([VOICEBUS, "nats-exporter"], env=environ) as process:
        page = until_answered(process, f"http://127.0.0.1:{port}/metrics")
        ready = until_answered(process, f"http://127.0.0.1:{port}/readyz")
        process.terminate()
        code = process.wait(30)

    assert code == 0
    assert "nats_up{" in page
    assert 'nats_connections{server="voicebus"} 0.0' in page
    assert "nats_disk_free_bytes" in page
    assert ready == '{"listening":true}'
