"""The chart: rendered by Helm itself, judged by Kubernetes' schemas, its commands executed."""

from __future__ import annotations

from typing import Any, Final

import pytest
import yaml

from tests.deploy.pods import CHART, of_kind, pods, rendered
from tests.deploy.stage import ROOT

pytestmark = pytest.mark.network

EVERYTHING: Final[dict[str, Any]] = {
    "keda": {"enabled": True},
    "monitoring": {
        "serviceMonitor": True,
        "prometheusRule": True,
        "keySecret": "scraper",
        "labels": {"release": "prometheus"},
    },
    "bus": {"nats": {"replicas": 3, "routesSecret": "routes"}, "caSecret": "ca"},
    "models": {"claim": "models"},
    "roles": {
        "telephony": {"enabled": True},
        "telegram": {
            "enabled": True,
            "secretEnv": {"VOICEBUS_TELEGRAM_TOKEN": {"name": "bot", "key": "token"}},
        },
        "edge": {"keysSecret": "keys"},
        "llm": {"providersSecret": "providers"},
        "tool": {"enabled": True, "serversSecret": "servers"},
        "stt": {"nodeSelector": {"gpu": "yes"}, "tolerations": [{"operator": "Exists"}]},
    },
}
ELSEWHERE: Final[dict[str, Any]] = {
    "bus": {"url": "tls://nats.example:4222"},
    "roles": {"llama": {"enabled": False}},
    "networkPolicy": {"edgeFrom": [{"podSelector": {}}]},
}
SETS: Final = {"defaults": {}, "everything": EVERYTHING, "elsewhere": ELSEWHERE}
FOREIGN: Final = {"unknown ScaledObject", "unknown ServiceMonitor", "unknown PrometheusRule"}

sets = pytest.mark.parametrize("values", [pytest.param(v, id=k) for k, v in SETS.items()])


@sets
def test_helm_and_kubernetes_find_nothing(values: dict[str, Any]) -> None:
    """The linter at its strictest, and the schemas of the oldest and the newest version."""
    found = rendered(**values)

    assert found["refused"] == ""
    assert found["lint"] == []
    assert len(found["documents"]) > 15
    assert set(found["wrong"]) <= FOREIGN


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"roles": {"stt": {"replcas": 2}}}, "replcas"),
        ({"bus": {"nats": {"replicas": 2}}}, "replicas"),
        ({"bus": {"nats": {"replicas": 3}}}, "routesSecret"),
        ({"bus": {"url": "bus:4222"}}, "url"),
        ({"settings": {"CELL": "north"}}, "CELL"),
        ({"roles": {"llm": {"autoscale": {"min": 1, "max": 2, "utilisation": 7}}}}, "utilisation"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], reason: str) -> None:
    """By their names, before anything reaches a cluster."""
    found = rendered(**values)

    assert reason in found["refused"]


@sets
def test_no_pod_can_do_more_than_it_needs(values: dict[str, Any]) -> None:
    """Not root, nothing to write but volumes, no capability, no key of the cluster, limits."""
    for role, spec in pods(rendered(**values)["documents"]).items():
        assert spec["automountServiceAccountToken"] is False, role
        assert spec["enableServiceLinks"] is False, role
        assert spec["securityContext"]["runAsNonRoot"] is True, role
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, role
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True, role
            assert confined["allowPrivilegeEscalation"] is False, role
            assert confined["capabilities"] == {"drop": ["ALL"]}, role
            assert container["resources"]["limits"]["memory"], role


@sets
def test_every_process_has_time_to_hand_on_what_it_holds(values: dict[str, Any]) -> None:
    """What comes before SIGTERM and the drain are shorter than the time until SIGKILL."""
    for role, spec in pods(rendered(**values)["documents"]).items():
        container = spec["containers"][0]
        given = {entry["name"]: entry.get("value") for entry in container.get("env", ())}
        drain_s = float(given.get("VOICEBUS_DRAIN_S") or 0)
        stop = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        before_s = float(stop[1]) if stop else 0.0
        if role not in ("layout", "llama", "nats"):
            assert drain_s > 0, role
            assert spec["terminationGracePeriodSeconds"] >= before_s + drain_s + 10, role


@sets
def test_what_there_are_several_of_is_not_taken_away_at_once(values: dict[str, Any]) -> None:
    """A node that is emptied takes one of a role at a time."""
    documents = rendered(**values)["documents"]
    workloads = of_kind(documents, "Deployment", "StatefulSet")
    several = {name for name, found in workloads.items() if found["spec"].get("replicas", 2) > 1}

    budgets = of_kind(documents, "PodDisruptionBudget")
    assert set(budgets) == several
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == workloads[name]["spec"]["selector"]


@sets
def test_probes_ask_what_a_process_answers(values: dict[str, Any]) -> None:
    """Liveness asks for nothing that others could take away from it."""
    for role, spec in pods(rendered(**values)["documents"]).items():
        for container in spec["containers"]:
            if container["name"] in ("layout", "nats"):
                continue
            probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
            paths = [probe["path"] for probe in probes]
            assert paths == (["/health"] * 2 if role == "llama" else ["/livez", "/readyz"])
            assert probes[0]["port"] in [port["name"] for port in container["ports"]]


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


@pytest.mark.parametrize(("role", "file"), [("llm", "providers"), ("tool", "servers")])
def test_what_is_asked_stands_in_a_secret(role: str, file: str) -> None:
    """Where there is one, its file is named to the worker, whose pods it alone is mounted into."""
    spec = pods(rendered(**EVERYTHING)["documents"])[role]
    (container,) = spec["containers"]
    (folder,) = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == file]
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    plain = pods(rendered(roles={"tool": {"enabled": True}})["documents"])

    assert given[f"VOICEBUS_{role.upper()}_{file.upper()}_FILE"] == f"{folder}/{file}.toml"
    assert [v["secret"]["secretName"] for v in spec["volumes"] if v["name"] == file] == [file]
    assert not any(
        v["name"] in ("providers", "servers") for s in plain.values() for v in s["volumes"]
    )


def test_workers_follow_the_demand() -> None:
    """KEDA asks for a metric that there is, and for as many claims as a worker is to hold."""
    scaled = of_kind(rendered(**EVERYTHING)["documents"], "ScaledObject")
    deployments = of_kind(rendered(**EVERYTHING)["documents"], "Deployment")

    assert set(scaled) == {f"voicebus-{role}" for role in ("stt", "turn", "llm", "tts")}
    for name, found in scaled.items():
        (trigger,) = found["spec"]["triggers"]
        assert f'voicebus_demand_sessions{{role="{name[9:]}"' in trigger["metadata"]["query"]
        assert "replicas" not in deployments[name]["spec"]
        assert found["spec"]["scaleTargetRef"]["name"] == name
    assert scaled["voicebus-stt"]["spec"]["triggers"][0]["metadata"]["threshold"] == "44.80"


def test_prometheus_finds_every_pod() -> None:
    """One Service has the port `metrics` of all of them, and the monitor asks for it."""
    documents = rendered(**EVERYTHING)["documents"]
    (monitor,) = of_kind(documents, "ServiceMonitor").values()
    service = of_kind(documents, "Service")["voicebus-metrics"]

    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    for role, spec in pods(documents).items():
        found = [port for c in spec["containers"] for port in c.get("ports", ())]
        assert [p["name"] for p in found].count("metrics") == (role != "layout"), role


def test_the_bus_is_watched_from_beside_it() -> None:
    """Where Prometheus is to find it, a server has an exporter in its pod, and namespaces of
    monitoring reach its port; elsewhere there is none.
    """
    documents = rendered(**EVERYTHING)["documents"]
    exporter = pods(documents)["nats"]["containers"][1]
    alone = pods(rendered()["documents"])["nats"]
    policy = of_kind(documents, "NetworkPolicy")["voicebus"]["spec"]
    labels = of_kind(documents, "StatefulSet")["voicebus-nats"]["spec"]["template"]["metadata"]

    assert exporter["args"] == ["voicebus", "nats-exporter"]
    assert exporter["ports"] == [{"name": "metrics", "containerPort": 9464}]
    assert policy["podSelector"]["matchLabels"].items() <= labels["labels"].items()
    assert policy["ingress"][0]["ports"] == [{"port": "metrics"}]
    assert "monitoring" in str(policy["ingress"][0]["from"])
    assert labels["labels"]["app.kubernetes.io/component"] == "nats"  # the label `process`
    assert [container["name"] for container in alone["containers"]] == ["nats"]


def test_the_rules_are_those_of_prometheus() -> None:
    """The same groups as on one machine, word for word."""
    (rule,) = of_kind(rendered(**EVERYTHING)["documents"], "PrometheusRule").values()
    files = [ROOT / "deploy" / "prometheus" / f"{name}.yml" for name in ("rules", "alerts")]
    groups = [yaml.safe_load(file.read_text())["groups"] for file in files if file.exists()]

    assert (rule["spec"]["groups"] or []) == [group for found in groups for group in found]


def test_the_bus_is_configured_as_everywhere() -> None:
    """The chart has no copy of nats.conf that could be another one."""
    config = of_kind(rendered()["documents"], "ConfigMap")["voicebus-nats"]["data"]

    assert config["nats.conf"].split() == (ROOT / "nats.conf").read_text().split()
    assert config["server.conf"].split() == (ROOT / "deploy" / "server.conf").read_text().split()
    assert (CHART / "files" / "nats.conf").is_symlink()
