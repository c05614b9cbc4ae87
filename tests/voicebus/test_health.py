"""Health and metrics of a process."""

from __future__ import annotations

import asyncio
import socket

import httpx2
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from tests.plain import PLAIN
from voicebus import health, metrics
from voicebus.errors import ConfigError


async def get(conditions: dict[str, bool], path: str, accept: str = "*/*") -> httpx2.Response:
    """Ask a process in this state."""
    listener = health.bind("127.0.0.1", 0)
    app = Starlette(routes=health.routes(lambda: conditions))
    url = f"http://{health.address(listener)}{path}"
    async with health.serve(app, listener), httpx2.AsyncClient(**PLAIN) as client:
        return await client.get(url, headers={"accept": accept})


async def test_a_process_that_turns_is_alive() -> None:
    """/livez is 200 even when nothing is ready."""
    answer = await get({"bus": False}, "/livez")

    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ({"bus": True, "engine": True}, 200),
        ({"bus": True, "engine": False}, 503),
        ({"bus": False, "engine": False}, 503),
    ],
)
async def test_readiness_names_what_is_missing(conditions: dict[str, bool], status: int) -> None:
    """/readyz is 200 when all conditions hold, and lists them either way."""
    answer = await get(conditions, "/readyz")

    assert answer.status_code == status
    assert answer.json() == conditions


async def test_the_metrics_page_is_prometheus_text() -> None:
    """/metrics parses and has the system's metrics."""
    answer = await get({}, "/metrics")

    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert answer.headers["content-type"].startswith("text/plain")
    assert "voicebus_bus_reconnects" in names


async def test_who_accepts_openmetrics_gets_exemplars() -> None:
    """As Prometheus asks for them; the plain text has no place for them."""
    metrics.LLM_TTFT_SECONDS.labels("test", "test").observe(0.07, {"trace_id": "ab" * 16})

    plain = await get({}, "/metrics")
    rich = await get({}, "/metrics", accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")

    assert "ab" * 16 not in plain.text
    assert rich.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    exemplars = [
        sample.exemplar.labels
        for family in openmetrics.text_string_to_metric_families(rich.text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None and sample.labels.get("model") == "test"
    ]
    assert exemplars == [{"trace_id": "ab" * 16}]


async def test_the_metrics_page_counts_the_tasks() -> None:
    """One more when one more waits."""
    before = tasks_in((await get({}, "/metrics")).text)
    waiting = asyncio.create_task(asyncio.Event().wait())
    after = tasks_in((await get({}, "/metrics")).text)
    waiting.cancel()

    assert before >= 1
    assert after == before + 1


def tasks_in(page: str) -> float:
    """The tasks of the event loop that a metrics page tells."""
    (line,) = (line for line in page.splitlines() if line.startswith("voicebus_tasks "))
    return float(line.split()[1])


async def test_the_port_is_free_afterwards() -> None:
    """Serving ends with its context."""
    listener = health.bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with health.serve(Starlette(routes=health.routes(dict)), listener):
        await asyncio.sleep(0.05)

    again = health.bind("127.0.0.1", port)
    assert again.getsockname()[1] == port
    again.close()


def test_a_port_in_use_is_a_setting_to_change() -> None:
    """The error names address and port and says what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*Choose"):
            health.bind("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    """A wrong host is told like a wrong port."""
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0"):
        health.bind("192.0.2.1", 0)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    """Its URL can be opened."""
    listener = health.bind("::1", 0)

    assert health.address(listener) == f"[::1]:{listener.getsockname()[1]}"
    listener.close()
