"""Where Prometheus finds the processes of ``voicebus up``."""

from __future__ import annotations

import pytest

from voicebus import health, targets
from voicebus.errors import ConfigError
from voicebus.parts import free_port
from voicebus.supervisor import Part


def part(name: str, ready_url: str) -> Part:
    """A part that is ready when this URL answers."""
    return Part(name=name, argv=(), environment={}, ready_url=ready_url)


PARTS = (
    part("nats", "http://127.0.0.1:1/healthz"),
    part("llama", "http://127.0.0.1:2/health"),
    part("stt", "http://127.0.0.1:3/readyz"),
    part("edge", "http://127.0.0.1:4/readyz"),
)


def test_every_part_with_metrics_is_a_target() -> None:
    """The page itself, the bus by way of it, and the workers; llama.cpp has no metrics of ours."""
    found = targets.targets(PARTS, "127.0.0.1:9")

    assert found == [
        {"targets": ["127.0.0.1:9"], "labels": {"process": "up"}},
        {"targets": ["127.0.0.1:9"], "labels": {"process": "nats", "__metrics_path__": "/nats"}},
        {"targets": ["127.0.0.1:3"], "labels": {"process": "stt"}},
        {"targets": ["127.0.0.1:4"], "labels": {"process": "edge"}},
    ]


def test_somebody_elses_bus_is_no_target() -> None:
    """Where `voicebus up` runs no server, it knows no monitoring port."""
    found = targets.targets(PARTS[2:], "127.0.0.1:9")

    assert [group["labels"]["process"] for group in found] == ["up", "stt", "edge"]
    assert targets.servers(PARTS) == ("http://127.0.0.1:1",)


def test_who_runs_the_parts_is_named() -> None:
    """`voicebus autoscale` has workers, and no bus."""
    found = targets.targets(PARTS[2:3], "127.0.0.1:9", "autoscale")

    assert [group["labels"]["process"] for group in found] == ["autoscale", "stt"]


def test_a_port_in_use_is_refused_only_to_those_who_named_it() -> None:
    """The usual port may be taken by another system; a chosen one must be that one."""
    taken = free_port()
    with health.bind("127.0.0.1", taken), pytest.raises(ConfigError, match=str(taken)):
        targets.bind(taken)

    with targets.bind(0) as first, targets.bind(0) as second:
        assert first.getsockname() != second.getsockname()
