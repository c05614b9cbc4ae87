"""What Grafana reads at its start fits what it is given: data source, dashboards and mounts."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from deploy.dashboards.__main__ import FOLDER
from tests.deploy.stage import ROOT

DEPLOY: Final = ROOT / "deploy"
PROVISIONING: Final = DEPLOY / "grafana" / "provisioning"
SERVICES: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
GRAFANA: Final[dict[str, Any]] = SERVICES["grafana"]
(SOURCE,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())[
    "datasources"
]
(PROVIDER,) = yaml.safe_load((PROVISIONING / "dashboards" / "voicebus.yml").read_text())[
    "providers"
]
MOUNTS: Final = {
    PurePosixPath(point): DEPLOY / source
    for source, point, *_ in (volume.split(":") for volume in GRAFANA["volumes"])
}


def sources(found: object) -> set[str]:
    """The uid of every data source that a dashboard names."""
    if isinstance(found, list):
        return {uid for each in found for uid in sources(each)}
    if not isinstance(found, dict):
        return set()
    own = {found["datasource"]["uid"]} if "datasource" in found else set()
    return own | {uid for each in found.values() for uid in sources(each)}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_asks_the_data_source_that_there_is(path: Any) -> None:
    """By its uid: with another one every panel would say that it is not found."""
    assert sources(json.loads(path.read_text())) == {SOURCE["uid"]}


def test_the_dashboards_are_where_grafana_looks_for_them() -> None:
    """In the container, and where the guide copies them."""
    path = PurePosixPath(PROVIDER["options"]["path"])
    guide = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    copied = re.search(r"^ +sudo cp -r (.+) (\S+)/$", guide, re.MULTILINE)

    assert MOUNTS[path] == FOLDER
    assert MOUNTS[PurePosixPath("/etc/grafana/provisioning")] == PROVISIONING
    assert copied is not None
    sent = {PurePosixPath(copied[2]) / PurePosixPath(name).name for name in copied[1].split()}
    assert sent == {path, PurePosixPath("/etc/grafana/provisioning")}
    assert [name for name in copied[1].split() if not (ROOT / name).is_dir()] == []


def test_the_data_source_is_the_prometheus_beside_it() -> None:
    """Every variable that the files name is given, and leads to a service that listens there."""
    texts = "".join(path.read_text() for path in PROVISIONING.rglob("*.yml"))
    (name,) = re.findall(r"^\$\{(\w+)\}$", SOURCE["url"])
    asked = urlsplit(GRAFANA["environment"][name])
    ports = [port.rpartition(":")[2] for port in SERVICES[asked.hostname]["ports"]]

    assert set(re.findall(r"(?<!\$)\$\{(\w+)\}", texts)) == set(GRAFANA["environment"])
    assert ports == [str(asked.port)]
    assert set(GRAFANA["networks"]) & set(SERVICES[asked.hostname]["networks"])


def test_rates_are_over_as_long_as_prometheus_needs() -> None:
    """Grafana derives $__rate_interval from it: a shorter one leaves panels without points."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text())["global"]

    assert SOURCE["jsonData"]["timeInterval"] == config["scrape_interval"]
