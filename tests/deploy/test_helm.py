"""The chart: rendered by Helm itself, judged by Kubernetes' schemas, its commands executed."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.deploy.pods import CHART, of_kind, pods, rendered
from tests.deploy.stage import ROOT

pytestmark = [pytest.mark.network, pytest.mark.operations]

EVERYTHING: Final[dict[str, Any]] = {
    "keda": {"enabled": True},
    "monitoring": {
        "serviceMonitor": True,
        "prometheusRule": True,
        "dashboards": True,
        "keySecret": "scraper",
        "labels": {"release": "prometheus"},
    },
    "bus": {"nats": {"replicas": 3, "routesSecret": "routes"}, "caSecret": "ca"},
    "models": {"claim": "models"},
    "roles": {
        "telephony": {
            "enabled": True,
            "secretEnv": {"VOICEBUS_TELEPHONY_SECRET": {"name": "calls", "key": "secret"}},
            "audiosocket": {"port": 9092, "networks": "10.0.0.0/8"},
        },
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
USERS: Final = "voicebus-users"

sets = pytest.mark.parametrize("values", [pytest.param(v, id=k) for k, v in SETS.items()])


@sets
def test_helm_and_kubernetes_find_nothing(values: dict[str, Any]) -> None:
    """The linter at its strictest, and the schemas of the oldest and the newest version."""
    found = rendered(**values)

    assert found["refused"] == ""
    assert found["lint"] == []
    assert len(found["documents"]) > 15
    assert found["wrong"] == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"roles": {"stt": {"replcas": 2}}}, "replcas"),
        ({"bus": {"nats": {"replicas": 2}}}, "replicas"),
        ({"bus": {"nats": {"replicas": 3}}}, "routesSecret"),
        ({"bus": {"url": "bus:4222"}}, "url"),
        ({"roles": {"telephony": {"enabled": True}}}, "VOICEBUS_TELEPHONY_SECRET"),
        (
            {
                "settings": {"VOICEBUS_TELEPHONY_ANYONE": True},
                "roles": {"telephony": {"enabled": True, "audiosocket": {"port": 9092}}},
            },
            "audiosocket.networks",
        ),
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


def test_the_bus_is_configured_as_everywhere() -> None:
    """The chart has no copy of nats.conf that could be another one."""
    config = of_kind(rendered()["documents"], "ConfigMap")["voicebus-nats"]["data"]

    assert config["nats.conf"].split() == (ROOT / "nats.conf").read_text().split()
    assert config["server.conf"].split() == (ROOT / "deploy" / "server.conf").read_text().split()
    assert (CHART / "files" / "nats.conf").is_symlink()


@sets
def test_a_second_release_has_nothing_to_do_with_the_first(values: dict[str, Any]) -> None:
    """Everything of it has its name, and whom its processes ask is its own."""
    documents = rendered("other", **values)["documents"]
    services = of_kind(documents, "Service")
    addresses = "".join(
        f"{entry.get('value')} "
        for spec in pods(documents).values()
        for container in spec["containers"]
        for entry in container.get("env", ())
    )
    hosts = {host.split(".")[-1] for host in re.findall(r"\w+://([\w.-]+):", addresses)}

    assert all(document["metadata"]["name"].startswith("other") for document in documents)
    assert hosts - set(services) <= {"example"}
    assert ("other-llama" in hosts) is (values != ELSEWHERE)
    for scaled in of_kind(documents, "ScaledObject").values():
        (trigger,) = scaled["spec"]["triggers"]
        assert 'namespace="talk", service="other-metrics"}' in trigger["metadata"]["query"]


def test_the_language_model_is_the_one_that_is_told() -> None:
    """The release's own, or else a server of which nothing more is taken for granted."""

    def told(**llm: Any) -> dict[str, str]:
        (container,) = pods(rendered(roles={"llm": llm})["documents"])["llm"]["containers"]
        return {e["name"]: e.get("value") for e in container["env"] if "_LLM_" in e["name"]}

    mine = {"VOICEBUS_LLM_URL": "https://mine.example/v1"}

    assert told() == {
        "VOICEBUS_LLM_SLOTS": "2",
        "VOICEBUS_LLM_URL": "http://voicebus-llama:8081/v1",
        "VOICEBUS_LLM_CACHE_PROMPT": "true",
        "VOICEBUS_LLM_PREFILL": "true",
    }
    assert told(env=mine) == {"VOICEBUS_LLM_SLOTS": "2", **mine}
    assert told(env={"VOICEBUS_LLM_PREFILL": False})["VOICEBUS_LLM_PREFILL"] == "false"


@pytest.mark.parametrize("servers", [1, 3])
def test_new_users_reach_a_bus_that_runs(servers: int) -> None:
    """A changed Secret starts no server anew, so an operator is told how it is read: the folder is
    mounted as a whole, which alone is kept up to date, and the server is the process 1.
    """
    found = rendered(bus={"nats": {"replicas": servers, "routesSecret": "routes"}})
    spec = pods(found["documents"])["nats"]
    server = spec["containers"][0]
    (mount,) = [m for m in server["volumeMounts"] if m["name"] == "users"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "users"]
    file = f"{mount['mountPath']}/{volume['secret']['items'][0]['path']}"
    guide = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")

    assert "subPath" not in mount
    assert server["command"] == ["nats-server"]
    assert "shareProcessNamespace" not in spec
    for text, times in ((guide, 1), (found["notes"], servers)):
        assert text.count(f"-c {server['name']} -- cat {file} |") == times
        assert text.count(f"-c {server['name']} -- kill -HUP 1") == times
    for number in range(servers):
        assert f" voicebus-nats-{number} -c nats -- kill" in found["notes"]


def test_more_of_a_role_leaves_those_that_are_there_alone() -> None:
    """Their pods stay as they are: nobody's conversation moves, and no call ends."""
    roles = EVERYTHING["roles"]
    kinds = pods(rendered(**EVERYTHING)["documents"]).keys() - {"layout", "nats"}

    def made(replicas: int) -> dict[str, Any]:
        changed = {role: {**roles.get(role, {}), "replicas": replicas} for role in kinds}
        return pods(rendered(**{**EVERYTHING, "roles": changed})["documents"])

    assert len(kinds) == 10
    assert made(1) == made(2) == made(5)


@pytest.mark.parametrize("role", ["edge", "telephony", "telegram"])
def test_a_pod_with_a_name_sees_its_own_key_alone(role: str) -> None:
    """The file of its name is mounted, and not the Secret."""
    spec = pods(rendered(**EVERYTHING)["documents"])[role]
    (container,) = spec["containers"]
    volume = {v["name"] for v in spec["volumes"] if v.get("secret", {}).get("secretName") == USERS}
    mounts = [mount for mount in container["volumeMounts"] if mount["name"] in volume]
    seed = "telegram" if role == "telegram" else "edge"

    assert [(m["mountPath"], m["subPathExpr"]) for m in mounts] == [
        ("/run/voicebus/own.seed", f"{seed}-$(VOICEBUS_WORKER_ID).seed")
    ]
