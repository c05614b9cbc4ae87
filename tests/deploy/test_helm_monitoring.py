"""What of the chart Prometheus and KEDA read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from deploy.dashboards import every_dashboard
from deploy.dashboards.grafana import document
from tests.deploy.pods import CHART, of_kind, pods, rendered, rendered_from
from tests.deploy.stage import ROOT
from tests.deploy.test_helm import EVERYTHING

pytestmark = [pytest.mark.network, pytest.mark.operations]

PROMETHEUS = ROOT / "deploy" / "prometheus"


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


def test_what_is_found_has_the_names_that_rules_ask_for() -> None:
    """The operator would call the job after the Service, and no alert of a process would ever
    fire, but that nothing is watched for ever.
    """
    (monitor,) = of_kind(rendered(**EVERYTHING)["documents"], "ServiceMonitor").values()
    relabelled = {
        each["targetLabel"]: each for each in monitor["spec"]["endpoints"][0]["relabelings"]
    }
    texts = [path.read_text(encoding="utf-8") for path in PROMETHEUS.glob("*.yml")]
    dashboards = [path.read_text() for path in (ROOT / "deploy" / "dashboards").glob("*.py")]
    asked = set(re.findall(r'\bjob="([\w-]+)"', "".join((*texts, *dashboards))))
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]

    assert asked == {"voicebus"}
    assert "voicebus" in {job["job_name"] for job in jobs}
    assert relabelled["job"] == {"targetLabel": "job", "replacement": "voicebus"}
    assert relabelled["process"]["sourceLabels"] == [
        "__meta_kubernetes_pod_label_app_kubernetes_io_component"
    ]


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
    files = [PROMETHEUS / f"{name}.yml" for name in ("rules", "alerts")]
    groups = [yaml.safe_load(file.read_text())["groups"] for file in files if file.exists()]

    assert (rule["spec"]["groups"] or []) == [group for found in groups for group in found]


def test_an_alert_leads_to_its_page() -> None:
    """Which is where the operator says; a path alone leads nowhere from a telephone at night."""
    monitoring = {"prometheusRule": True, "runbooks": "https://wiki.example/runbooks/"}
    (rule,) = of_kind(rendered(monitoring=monitoring)["documents"], "PrometheusRule").values()
    alerts = [
        each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each
    ]

    assert len(alerts) > 20
    for alert in alerts:
        page = f"https://wiki.example/runbooks/{alert['alert']}.md"
        assert alert["annotations"]["runbook_url"] == page


def test_a_collector_may_want_a_key() -> None:
    """By the one variable that is the library's, and not ours."""
    key = {"name": "collector", "key": "headers"}
    found = rendered(roles={"stt": {"secretEnv": {"OTEL_EXPORTER_OTLP_HEADERS": key}}})
    (container,) = pods(found["documents"])["stt"]["containers"]

    assert (found["refused"], found["wrong"]) == ("", [])
    assert {"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": key}} in [
        dict(each) for each in container["env"]
    ]


def test_grafana_finds_every_dashboard() -> None:
    """What the code makes, each in a ConfigMap of its own with the label that Grafana's sidecar
    looks for; their questions go to the data source that the operator names.
    """
    chosen = rendered(monitoring={"dashboards": True, "datasource": "mimir-1"})["documents"]
    found = {
        name: config
        for name, config in of_kind(chosen, "ConfigMap").items()
        if config["metadata"]["labels"].get("grafana_dashboard") == "1"
    }
    files = {name: text for config in found.values() for name, text in config["data"].items()}

    assert len(found) == len(every_dashboard())
    assert "grafana_dashboard" not in str(rendered()["documents"])
    for dashboard in every_dashboard():
        text = files[f"{dashboard.uid}.json"]
        asked = json.dumps(document(dashboard)).replace('"uid": "voicebus"', '"uid": "mimir-1"')
        assert json.loads(text) == json.loads(asked)
        assert {one["uid"] for one in sources(json.loads(text))} == {"mimir-1"}


def sources(document: object) -> list[dict[str, str]]:
    """Every data source that a dashboard names."""
    if isinstance(document, list):
        return [one for each in document for one in sources(each)]
    if not isinstance(document, dict):
        return []
    own = [document["datasource"]] if "datasource" in document else []
    return own + [one for each in document.values() for one in sources(each)]


def test_a_field_of_another_name_is_found(tmp_path: Path) -> None:
    """In kinds that are not Kubernetes' own, too, whose schemas are not among its own."""
    chart = shutil.copytree(CHART, tmp_path / "voicebus")
    for name, right, other in (
        ("keda", "fallback:", "fallbacks:"),
        ("monitoring", "scrapeTimeout: 5s", "scrapeTimeout: 5"),
        ("monitoring", "  groups:", "  group:"),
    ):
        template = chart / "templates" / f"{name}.yaml"
        text = template.read_text()
        assert text.count(right) == 1
        template.write_text(text.replace(right, other))

    wrong = rendered_from(chart, **EVERYTHING)["wrong"]

    assert {told.split()[0] for told in wrong} == {
        "ScaledObject",
        "ServiceMonitor",
        "PrometheusRule",
    }
    assert "fallbacks" in "".join(wrong)
