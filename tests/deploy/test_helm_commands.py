"""The commands of the chart's pods, executed."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from tests.deploy.images import shipped
from tests.deploy.pods import Pod, of_kind, pods, rendered
from tests.deploy.stage import ROOT, Stage
from tests.deploy.telegram import telegram
from voicebus import credentials, environment
from voicebus.parts import free_ports

pytestmark = [pytest.mark.network, pytest.mark.model, pytest.mark.operations]


def test_every_pod_does_what_it_says(tmp_path: Path) -> None:
    """Each command is executed with its settings and volumes, on the bus of the StatefulSet `nats`;
    all of them get ready, and end with code 0 when they are asked to.
    """
    found = rendered(
        monitoring={"serviceMonitor": True},
        roles={
            "telephony": {
                "enabled": True,
                "secretEnv": {"VOICEBUS_TELEPHONY_SECRET": {"name": "calls", "key": "secret"}},
                "audiosocket": {"port": 9092, "networks": "10.0.0.0/8"},
            },
            "telegram": {
                "enabled": True,
                "secretEnv": {"VOICEBUS_TELEGRAM_TOKEN": {"name": "bot", "key": "token"}},
            },
            "tool": {"enabled": True, "serversSecret": "tools"},
        },
    )
    users = tmp_path / "users"
    secrets = {"voicebus-users": users, "tools": ROOT / "deploy" / "tools"}
    edges = ("voicebus-edge-0", "voicebus-edge-1", "voicebus-telephony-0")
    credentials.ensure(users, "local", edges, ("voicebus-telegram-0",))
    assert all(f"--edge {edge}" in found["notes"] for edge in edges)
    assert "--bridge voicebus-telegram-0" in found["notes"]
    configs = of_kind(found["documents"], "ConfigMap")
    made = {
        role: list(Pod(role, spec, tmp_path, secrets, configs).commands())
        for role, spec in pods(found["documents"]).items()
    }
    for command in (command for commands in made.values() for command in commands):
        given = {k: v for k, v in command.environment.items() if not k.endswith("_FILE")}
        assert environment.problems(given) == [], command.name

    with telegram() as bots, Stage(tmp_path) as stage:
        server, exporter = made.pop("nats")
        stage.start(server)
        stage.wait_until_ready()
        stage.start(exporter)
        stage.run(made.pop("layout")[0])
        stage.run(made["stt"][0])
        stage.start(made.pop("llama")[-1])
        bots.start(stage, made.pop("telegram")[0])
        for commands in made.values():
            stage.start(commands[-1])
        stage.wait_until_ready()
        said = stage.talk("edge")
        watched = stage.page("nats-exporter")
        codes = stage.end()

    assert json.loads(said)["reply"]
    bots.expect_asked()
    assert re.search(r"^nats_up\{.*\} 1.0$", watched, re.MULTILINE)
    assert "nats_disk_free_bytes" in watched
    assert codes == dict.fromkeys(codes, 0)
    assert set(codes) == {
        "nats",
        "nats-exporter",
        "llama",
        "stt",
        "turn",
        "llm",
        "tts",
        "tool",
        "supervisor",
        "edge",
        "telephony",
        "telegram",
    }


@pytest.mark.parametrize("kind", ["HEALTHCHECK", "startup", "liveness", "readiness"])
def test_the_bus_is_asked_how_it_is(kind: str, tmp_path: Path, wget: None) -> None:
    """The image's health check and each probe of the chart, as commands: a server that is well
    passes, and one that is gone does not.
    """
    users = tmp_path / "users"
    credentials.ensure(users, "local", ())
    found = rendered()["documents"]
    spec, configs = pods(found)["nats"], of_kind(found, "ConfigMap")
    (server,) = Pod("nats", spec, tmp_path, {"voicebus-users": users}, configs).commands()
    if kind == "HEALTHCHECK":
        words = shipped()["nats"].health
    else:
        words = spec["containers"][0][f"{kind}Probe"]["exec"]["command"]

    with Stage(tmp_path) as stage:
        stage.start(server)
        stage.wait_until_ready()
        well = stage.ask("nats", words)
        stage.end()
        gone = stage.ask("nats", words)

    assert well == 0
    assert gone != 0


@pytest.fixture
def wget() -> None:
    """The program of the server's image. In CI (``CI=true``) a missing one is a failure."""
    if shutil.which("wget") is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("CI must try the probes: there is no wget here")
        pytest.skip("there is no wget here")


def test_three_servers_find_each_other(tmp_path: Path) -> None:
    """With the words of the chart, and the password of their routes; then streams can be made."""
    nats = {"replicas": 3, "routesSecret": "routes"}
    found = rendered(bus={"nats": nats})["documents"]
    spec, admin = pods(found)["nats"], pods(found)["layout"]
    configs = of_kind(found, "ConfigMap")
    users = {"voicebus-users": tmp_path / "users"}
    credentials.ensure(users["voicebus-users"], "local", ())
    routes = [f"127.0.0.1:{port}" for port in free_ports(3)]

    with Stage(tmp_path) as stage:
        for number, route in enumerate(routes):
            stage.resolve(f"voicebus-nats-{number}.voicebus-nats:6222", route)
        for number, route in enumerate(routes):
            stage.resolve("0.0.0.0:6222", route)
            (command,) = Pod("nats", spec, tmp_path, users, configs, number).commands()
            stage.start(structs.replace(command, name=f"nats-{number}"))
        stage.wait_until_ready()
        (layout,) = Pod("layout", admin, tmp_path, users, configs).commands()
        assert layout.environment["VOICEBUS_REPLICAS"] == "3"
        said = stage.run(layout)
        codes = stage.end()

    assert "as they should be" in said
    assert codes == dict.fromkeys(codes, 0)
    assert len(codes) == 3
