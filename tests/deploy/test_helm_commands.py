"""The commands of the chart's pods, executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.deploy.pods import Pod, of_kind, pods, rendered
from tests.deploy.stage import Stage
from voicebus import credentials, environment

pytestmark = [pytest.mark.network, pytest.mark.model]


def test_every_pod_does_what_it_says(tmp_path: Path) -> None:
    """Each command is executed with its settings and volumes, on the bus of the StatefulSet `nats`;
    all of them get ready, and end with code 0 when they are asked to.
    """
    found = rendered(
        roles={"telephony": {"enabled": True, "env": {"VOICEBUS_TELEPHONY_ANYONE": True}}}
    )
    users = tmp_path / "users"
    edges = ("voicebus-edge-0", "voicebus-edge-1", "voicebus-telephony-0")
    credentials.ensure(users, "local", edges)
    assert all(f"--edge {edge}" in found["notes"] for edge in edges)
    configs = of_kind(found["documents"], "ConfigMap")
    made = {
        role: list(Pod(role, spec, tmp_path, {"voicebus-users": users}, configs).commands())
        for role, spec in pods(found["documents"]).items()
    }
    for command in (command for commands in made.values() for command in commands):
        given = {k: v for k, v in command.environment.items() if not k.endswith("_FILE")}
        assert environment.problems(given) == [], command.name

    with Stage(tmp_path) as stage:
        stage.start(made.pop("nats")[0])
        stage.wait_until_ready()
        stage.run(made.pop("layout")[0])
        stage.run(made["stt"][0])
        stage.start(made.pop("llama")[-1])
        for commands in made.values():
            stage.start(commands[-1])
        stage.wait_until_ready()
        said = stage.talk("edge")
        codes = stage.end()

    assert json.loads(said)["reply"]
    assert codes == dict.fromkeys(codes, 0)
    assert set(codes) == {
        "nats",
        "llama",
        "stt",
        "turn",
        "llm",
        "tts",
        "supervisor",
        "edge",
        "telephony",
    }
