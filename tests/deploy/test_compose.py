"""deploy/compose.yaml: as compose reads it, and each of its containers executed."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from tests.deploy.images import shipped
from tests.deploy.pods import CALLS_S
from tests.deploy.stage import LIMIT_S, ROOT, Command, Stage, models, only, placed
from tests.deploy.telegram import telegram
from tests.deploy.tools import tool
from tests.engines.vllm_server import container
from tests.monitoring.prometheus import tool as debian
from tests.plain import PLAIN
from voicebus import environment
from voicebus.nats_exporter import NatsExporterSettings
from voicebus.parts import free_port
from voicebus.settings import ProcessSettings

FILE: Final = ROOT / "deploy" / "compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}
PROFILES: Final = {
    *("cpu", "vosk", "provider", "gpu", "xtts"),
    *("tools", "telegram", "telephony", "monitoring"),
}
ONCE: Final = ("users", "layout", "models")
NOT_EXECUTED: Final = {
    "stt-gpu": "needs a graphics card",
    "stt-vosk": "Vosk is in an environment of its own",
    "tts-xtts": "XTTS is in an environment of its own, and needs a graphics card",
    "llm-provider": "its language model is somebody else's",
    "llm-gpu": "its language model's server needs a graphics card",
}
"""Their settings are checked, and that they have the command line of one that is executed."""

OTHERS: Final = {
    "prometheus": "test_prometheus_starts_as_its_container_does",
    "alertmanager": "tests/monitoring/test_alertmanager.py, with its words",
    "vllm": "tests/engines/test_vllm.py, with its words, on a processor",
    "grafana": "is not: it is in no package index, and has no words of ours; test_grafana.py",
}
"""Images of other people's, and where they are executed."""


def commands(folder: Path) -> Iterator[Command]:
    """The command line of every container of ours, with what is mounted into it."""
    for name, service in OURS.items():
        image = shipped()[service["build"]["target"]]
        mounts = image.unpack(folder / "image" / name)
        for volume in service.get("volumes", ()):
            source, point, *_ = volume.split(":")
            here = _volume(source, folder / "volumes")
            above = next((path for path in mounts if point.startswith(f"{path}/")), None)
            if above is None:
                mounts[point] = here
            else:
                (mounts[above] / point.removeprefix(f"{above}/")).symlink_to(here)
        words = service.get("command")
        yield Command(
            name=name,
            argv=(*image.entrypoint, *words) if words else image.argv,
            environment={**image.environment, **service.get("environment", {})},
            mounts=mounts,
        )


def _volume(source: str, folder: Path) -> Path:
    """The folder in the place of a volume; those beside the file are as they are."""
    if source == "models":
        return models()
    if source.startswith("./") and (FILE.parent / source).exists():
        return FILE.parent / source
    (folder / source).mkdir(parents=True, exist_ok=True)
    return folder / source


def health_of(name: str) -> tuple[str, ...]:
    """The health check of a container: its own, or else its image's."""
    own = OURS[name].get("healthcheck", {}).get("test", ())
    return tuple(own[1:]) or shipped()[OURS[name]["build"]["target"]].health


@pytest.mark.network
@pytest.mark.operations
def test_compose_understands_the_file() -> None:
    """By the schema of the Compose Specification."""
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_profiles_are_those_that_are_told() -> None:
    """And what is in none of them is always there."""
    assert {profile for s in SERVICES.values() for profile in s.get("profiles", ())} == PROFILES
    always = {name for name, s in SERVICES.items() if not s.get("profiles")}
    assert always == {"users", "layout", "models", "nats", "supervisor", "turn", "edge"}


@pytest.mark.parametrize("name", OURS)
def test_a_container_can_do_no_more_than_it_needs(name: str) -> None:
    """Nothing is written but to volumes, and no right is gained."""
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    drain_s = float(
        service.get("environment", {}).get("VOICEBUS_DRAIN_S", ProcessSettings().drain_s)
    )
    assert float(service["stop_grace_period"].removesuffix("s")) > drain_s + 15
    assert service["image"].startswith(f"voicebus/{service['build']['target']}:")


def test_no_container_is_left_out() -> None:
    """Each is executed by a test, or it is written down why not; whose words are executed stands
    in the file.
    """
    assert set(SERVICES) - set(OURS) == set(OTHERS)
    assert set(NOT_EXECUTED) <= set(OURS)
    worded = {name for name in OTHERS if "command" in SERVICES[name]}
    assert worded == set(OTHERS) - {"grafana"}
    assert container() == SERVICES["vllm"]["command"]
    assert not SERVICES["vllm"]["command"][0].startswith("-")  # the model, after `vllm serve`


def test_a_call_may_end_by_itself() -> None:
    """It cannot move, so an edge that is replaced waits as long for it as in a cluster."""
    assert OURS["telephony"]["environment"]["VOICEBUS_DRAIN_S"] == CALLS_S


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_of_a_service_hangs_in_the_air(name: str) -> None:
    """Each volume, network and service that it names is there, and no port is open to others."""
    service = SERVICES[name]

    assert set(service.get("depends_on", ())) <= set(SERVICES)
    assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
    named = {volume.split(":")[0] for volume in service.get("volumes", ())}
    assert {volume for volume in named if not volume.startswith("./")} <= set(COMPOSE["volumes"])
    for port in service.get("ports", ()):
        assert port.startswith(("127.0.0.1:", "${PUBLISH:-127.0.0.1}:"))
    assert re.search(r":v?\d+\.\d+", service["image"]), "an image without a version"


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_container_are_right(name: str, tmp_path: Path) -> None:
    """`voicebus config check` finds nothing but files of volumes."""
    command = only(commands(tmp_path), name)

    assert (
        environment.problems(
            {key: value for key, value in command.environment.items() if not key.endswith("_FILE")}
        )
        == []
    )


def test_the_page_of_prometheus_names_every_process() -> None:
    """Who is added to the containers is looked at, too; the bus by way of its exporter, which
    stands in its network.
    """
    text = (ROOT / "deploy" / "prometheus" / "compose.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["scrape_configs"]
    looked_at = {name for found in jobs[0]["dns_sd_configs"] for name in found["names"]}

    answering = set(OURS) - set(ONCE) - {"nats", "llama"}
    found_at = {name: OURS[name].get("network_mode", name) for name in answering}
    assert looked_at == {where.removeprefix("service:") for where in found_at.values()}
    assert found_at["nats-exporter"] == "service:nats"


def test_the_exporter_reads_what_the_server_tells_on_loopback() -> None:
    """Its default is where the server of a deployment has its page, and the store is one folder."""
    conf = (ROOT / "deploy" / "server.conf").read_text(encoding="utf-8")
    page = re.search(r'^http: "(.+)"$', conf, re.MULTILINE)
    volume, point, mode = OURS["nats-exporter"]["volumes"][0].split(":")

    assert page is not None
    assert NatsExporterSettings().servers() == (f"http://{page[1]}",)
    assert f"{volume}:{point}" in OURS["nats"]["volumes"]
    assert (OURS["nats-exporter"]["environment"], mode) == (
        {"VOICEBUS_NATS_EXPORTER_STORE": point},
        "ro",
    )
    assert "networks" not in OURS["nats-exporter"]  # compose refuses both


@pytest.mark.monitoring
def test_prometheus_starts_as_its_container_does(tmp_path: Path) -> None:
    """With the words that the file has for it: it takes them, its configuration and all rules."""
    mounts = {"/etc/prometheus": ROOT / "deploy" / "prometheus", "/prometheus": tmp_path / "data"}
    words = [placed(word, mounts) for word in SERVICES["prometheus"]["command"]]
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [debian("prometheus"), *words, f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client:
            until_s = time.monotonic() + LIMIT_S
            while not is_ready(client):
                said = (tmp_path / "log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < until_s, said
                time.sleep(0.1)
            flags = client.get("/api/v1/status/flags").json()["data"]
            rules = client.get("/api/v1/rules").json()["data"]["groups"]
            jobs = client.get("/api/v1/status/config").json()["data"]["yaml"]
    finally:
        process.terminate()
        process.wait(LIMIT_S)

    assert flags["enable-feature"] == "exemplar-storage"
    assert flags["storage.tsdb.path"] == str(tmp_path / "data")
    assert {Path(group["file"]).name for group in rules} == {"rules.yml", "alerts.yml"}
    assert "- stt-vosk" in jobs


def is_ready(client: httpx2.Client) -> bool:
    """Whether a Prometheus answers."""
    try:
        return client.get("/-/ready").status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.mark.operations
@pytest.mark.model
def test_every_container_does_what_it_says(tmp_path: Path) -> None:
    """Each command is executed with its settings and volumes, on the bus of the container `nats`;
    all of them get ready, and end with code 0 when they are asked to.
    """
    found = {command.name: command for command in commands(tmp_path)}
    running = set(OURS) - set(ONCE) - set(NOT_EXECUTED)
    executed = {command.argv for name, command in found.items() if name not in NOT_EXECUTED}
    for name in ("stt-gpu", "stt-vosk", "tts-xtts", "llm-gpu", "llm-provider"):
        assert found[name].argv in executed

    with telegram() as bots, Stage(tmp_path) as stage:
        stage.run(found.pop("users"))
        stage.start(found.pop("nats"))
        stage.wait_until_ready()
        stage.run(found.pop("layout"))
        stage.run(found.pop("models"))
        stage.start(found.pop("llama"))
        bots.start(stage, found.pop("telegram"))
        for name, command in found.items():
            if name not in NOT_EXECUTED:
                stage.start(command)
        stage.wait_until_ready()
        said = stage.talk("edge")
        watched = stage.page("nats-exporter")
        asked = {name: stage.ask(name, health_of(name)) for name in running if name != "nats"}
        codes = stage.end()

    assert json.loads(said)["reply"]
    assert asked == dict.fromkeys(asked, 0)
    bots.expect_asked()
    assert re.search(r"^nats_up\{.*\} 1.0$", watched, re.MULTILINE)
    assert "nats_disk_free_bytes" in watched
    assert codes == dict.fromkeys(codes, 0)
    assert set(codes) == running
