"""Who may come to the chart's pods, and where they may go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.images import shipped
from tests.deploy.pods import of_kind, pods, rendered
from tests.deploy.test_helm import EVERYTHING

pytestmark = [pytest.mark.network, pytest.mark.operations]


def ways_out(**values: Any) -> list[dict[str, Any]]:
    """Where every pod may go."""
    policies = of_kind(rendered(**values)["documents"], "NetworkPolicy")
    egress: list[dict[str, Any]] = policies["voicebus"]["spec"]["egress"]
    return egress


def test_only_what_is_meant_comes_in() -> None:
    """All pods are closed; then one door after the other is opened."""
    policies = of_kind(rendered()["documents"], "NetworkPolicy")

    assert policies["voicebus"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "app.kubernetes.io/component" not in str(policies["voicebus"]["spec"]["podSelector"])
    assert set(policies) == {
        f"voicebus{of}" for of in ("", "-nats", "-edge", "-llama", "-llm", "-stt", "-tts")
    }
    assert all("ingress" not in policies[f"voicebus-{of}"]["spec"] for of in ("llm", "stt", "tts"))
    assert [rule["ports"] for rule in policies["voicebus-edge"]["spec"]["ingress"]] == [
        [{"port": 8080}]
    ]
    assert "from" in policies["voicebus-nats"]["spec"]["ingress"][0]


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("", [4222]),
        ("tls://bus.example", [4222]),
        ("tls://bus.example:4443", [4443]),
        (
            "nats://a:secret@one.example:4223, nats://two.example,nats://[::1]:4223",
            [4223, 4222],
        ),
    ],
)
def test_the_bus_is_reached_where_it_is(url: str, ports: list[int]) -> None:
    """At each port of its address."""
    _names, bus = ways_out(bus={"url": url})

    assert [each["port"] for each in bus["ports"]] == ports
    assert ("to" in bus) is (url == "")


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.tracing:4318/v1/traces", 4318),
        ("https://traces.example/v1/traces", 443),
        ("http://traces.example/v1/traces", 80),
    ],
)
def test_traces_reach_their_collector(endpoint: str, port: int) -> None:
    """Its address in the settings is enough."""
    *_others, collector = ways_out(settings={"VOICEBUS_TRACING_ENDPOINT": endpoint})

    assert len(_others) == len(ways_out())
    assert collector == {"ports": [{"port": port}]}


def test_an_operator_lets_pods_go_further() -> None:
    """As a NetworkPolicy has it, for all of them."""
    way = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8443}]}
    found = rendered(networkPolicy={"egress": [way]})

    assert found["wrong"] == []
    assert ways_out(networkPolicy={"egress": [way]}) == [*ways_out(), way]


def test_calls_come_in_by_audiosocket_where_it_is_served() -> None:
    """Through the Service and the policy, at the port on which the process listens."""
    documents = rendered(**EVERYTHING)["documents"]
    (container,) = pods(documents)["telephony"]["containers"]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    service = of_kind(documents, "Service")["voicebus-telephony"]["spec"]["ports"]
    (rule,) = of_kind(documents, "NetworkPolicy")["voicebus-telephony"]["spec"]["ingress"]

    assert given["VOICEBUS_TELEPHONY_AUDIOSOCKET_PORT"] == "9092"
    assert given["VOICEBUS_TELEPHONY_AUDIOSOCKET_NETWORKS"] == "10.0.0.0/8"
    assert shipped()["edge"].environment["VOICEBUS_TELEPHONY_AUDIOSOCKET_HOST"] == "0.0.0.0"
    assert ports["audiosocket"] == 9092
    assert {"name": "audiosocket", "port": 9092, "targetPort": "audiosocket"} in service
    assert {"port": "audiosocket"} in rule["ports"]
