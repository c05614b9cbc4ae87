"""The chart's pods as processes of this machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.images import shipped
from tests.deploy.stage import ROOT, Command, models
from tests.deploy.tools import tool

CHART: Final = ROOT / "deploy" / "helm" / "voicebus"
_VALUES: Final = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
CALLS_S: Final = str(_VALUES["roles"]["telephony"]["drainSeconds"])
"""How long an edge for telephones waits for its calls to end."""
_SCRIPT: Final = Path(__file__).with_name("chart.py")


def rendered(release: str = "voicebus", **values: Any) -> dict[str, Any]:
    """What Helm makes of the chart, and what is to be said about it; see chart.py."""
    return _rendered(CHART, release, json.dumps(values))


def rendered_from(chart: Path, **values: Any) -> dict[str, Any]:
    """The same of another chart."""
    return _rendered(chart, "voicebus", json.dumps(values))


@cache
def _rendered(chart: Path, release: str, values: str) -> dict[str, Any]:
    done = subprocess.run(
        [tool("python"), str(_SCRIPT), str(chart), release],
        input=values,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def of_kind(documents: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    """The documents of some kinds, by their names."""
    return {d["metadata"]["name"]: d for d in documents if d["kind"] in kinds}


def pods(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each workload has run, by its role."""
    made = of_kind(documents, "Deployment", "StatefulSet", "Job").values()
    return {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: document["spec"]["template"][
            "spec"
        ]
        for document in made
    }


class Pod:
    """One pod of a workload, whose volumes are folders.

    Args:
        role: The workload.
        spec: Its pods.
        folder: For the volumes.
        secrets: Folder of each Secret.
        configs: The ConfigMaps.
        number: Which one of a StatefulSet.
    """

    def __init__(
        self,
        role: str,
        spec: Mapping[str, Any],
        folder: Path,
        secrets: Mapping[str, Path],
        configs: Mapping[str, Mapping[str, Any]],
        number: int = 0,
    ) -> None:
        self.name = f"voicebus-{role}-{number}"
        self._role = role
        self._spec = spec
        self._folder = folder / self.name
        self._secrets = secrets
        self._configs = configs

    def commands(self) -> Iterator[Command]:
        """What its containers execute, those that come first before the others."""
        for container in (*self._spec.get("initContainers", ()), *self._spec["containers"]):
            image = shipped().get(container["image"].rpartition("/")[2].partition(":")[0])
            own = image.environment if image and container["image"].startswith("voicebus/") else {}
            environment = {**own, **dict(self._environment(container))}
            words = (*container.get("command", ()), *container["args"])
            yield Command(
                name=self._role if container["name"] == self._role else container["name"],
                argv=tuple(_expanded(word, environment) for word in words),
                environment=environment,
                mounts=self._mounts(container, environment),
            )

    def _environment(self, container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for entry in container.get("env", ()):
            source = entry.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == "metadata.name"
                yield entry["name"], self.name
            elif "secretKeyRef" in source:
                yield entry["name"], "a-secret-of-the-house"
            else:
                yield entry["name"], entry["value"]

    def _mounts(
        self, container: Mapping[str, Any], environment: Mapping[str, str]
    ) -> dict[str, Path]:
        places: dict[str, Path] = {}
        tree = self._folder / "tree"
        volumes = {volume["name"]: volume for volume in self._spec.get("volumes", ())}
        for mount in container["volumeMounts"]:
            here = self._volume(volumes.get(mount["name"], {"name": mount["name"]}))
            inside = _expanded(mount.get("subPathExpr", mount.get("subPath", "")), environment)
            assert (here / inside).exists(), f"{self.name}: there is no {inside} in {mount}"
            # Mounts may lie within each other: one tree of links stands for all of them.
            place = tree / mount["mountPath"].strip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(here / inside)
            places[mount["mountPath"]] = place
        if "/etc/nats/server.conf" in places:
            places["/etc/nats"] = tree / "etc" / "nats"
        return places

    def _volume(self, volume: Mapping[str, Any]) -> Path:
        if volume["name"] == "models":
            return models()
        here: Path = self._folder / "volumes" / volume["name"]
        here.mkdir(parents=True, exist_ok=True)
        if "secret" in volume:
            source = self._secrets[volume["secret"]["secretName"]]
            for item in volume["secret"].get("items") or _all(source):
                shutil.copy(source / item["key"], here / item["path"])
        if "configMap" in volume:
            for name, text in self._configs[volume["configMap"]["name"]]["data"].items():
                (here / name).write_text(text, encoding="utf-8")
        return here


def _all(folder: Path) -> list[dict[str, str]]:
    """Every file of a Secret, by its own name."""
    return [{"key": path.name, "path": path.name} for path in folder.iterdir()]


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    """Put variables in their places, as Kubernetes does."""
    return re.sub(r"\$\((\w+)\)", lambda found: environment[found[1]], text)
