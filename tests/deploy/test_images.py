"""The images: what they promise, and that all they install is locked."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from edge.settings import EdgeSettings
from tests.deploy.images import DOCKERFILE, Image, shipped
from tests.deploy.stage import ROOT
from tests.deploy.tools import tool
from voicebus import environment

IMAGES = [pytest.param(image, id=name) for name, image in shipped().items()]
LOCKS = sorted((ROOT / "requirements" / "images").glob("*.lock"))
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def pins(lock: Path) -> dict[str, set[str]]:
    """What a lock pins: each package and version with its hashes."""
    entries = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))[1:]
    return {e.split()[0]: set(re.findall(r"sha256:([0-9a-f]{64})", e)) for e in entries}


@pytest.mark.network
def test_the_dockerfile_is_without_findings() -> None:
    """By hadolint, at its strictest."""
    done = subprocess.run(
        [tool("hadolint"), "--no-color", str(DOCKERFILE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_runs_as_root(image: Image) -> None:
    """And what runs in it is what asks it how it is."""
    assert image.all("USER")[-1] == "10001:10001"
    assert image.health[0] in ("python", "wget")
    assert not image.all("BASE")[0].endswith(":latest")


@pytest.mark.parametrize("image", IMAGES)
def test_the_settings_of_an_image_are_right(image: Image) -> None:
    """No unknown name and no wrong value."""
    assert environment.problems(image.environment) == []


@pytest.mark.parametrize("image", IMAGES)
def test_the_health_check_asks_where_the_process_answers(image: Image) -> None:
    """At the port that its settings, or its words, name."""
    if image.name == "nats":
        conf = (ROOT / "deploy" / "server.conf").read_text(encoding="utf-8")
        assert re.findall(r'^http: "(.+)"$', conf, re.MULTILINE) == [image.health[-1].split("/")[2]]
        return
    port, words = image.health[3], image.argv
    if "--port" in words:
        assert port == words[words.index("--port") + 1]
    elif image.name == "edge":
        assert port == str(EdgeSettings().port)
    else:
        assert port == image.environment["VOICEBUS_METRICS_PORT"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_images_hold_the_versions_that_are_tested(lock: Path) -> None:
    """Each package, version and hash is also in a lock from which the tests run, but for what runs
    on a graphics card alone.
    """
    locks = [ROOT / "requirements" / f"{name}.lock" for name in ("engines", "voicebus")]
    tested = {name: hashes for found in map(pins, locks) for name, hashes in found.items()}
    own = {name: hashes for name, hashes in pins(lock).items() if not name.startswith("nvidia-")}

    assert len(own) > 5
    assert {name: hashes for name, hashes in own.items() if tested.get(name) != hashes} == {}


def test_one_setting_switches_traces_on() -> None:
    """Whatever is started from an image or from `make setup` has what sends spans: without it, a
    process that is told of a collector refuses to start.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {need.partition(">")[0] for need in project["optional-dependencies"]["tracing"]}
    installed = (ROOT / "requirements" / "voicebus.lock", LOCKS[0].with_name("core.lock"))

    assert len(needed) > 2
    for lock in installed:
        assert needed - {pin.partition("=")[0] for pin in pins(lock)} == set(), lock.name


def test_every_lock_belongs_to_an_image() -> None:
    """And is what the Dockerfile installs."""
    named = set(re.findall(r"requirements/images/([\w-]+)\.lock", DOCKERFILE.read_text()))

    assert named == {lock.stem for lock in LOCKS}


@pytest.mark.parametrize(
    ("path", "is_sent"),
    [
        ("voicebus/cli/main.py", True),
        ("models.lock.toml", True),
        ("examples/samples/samples.toml", True),
        ("requirements/images/core.lock", True),
        (".env", False),
        ("deploy/.env", False),
        ("users/admin.seed", False),
        (".git/config", False),
        (".venv/bin/python", False),
        ("tests/conftest.py", False),
    ],
)
def test_nothing_secret_is_sent_to_the_build(path: str, is_sent: bool) -> None:
    """The list names what is needed, and not what is not."""
    assert IGNORED[1] == "*"
    wanted = [line[1:] for line in IGNORED if line.startswith("!")]

    assert any(path == w or path.startswith(f"{w}/") for w in wanted) is is_sent
    assert not any(fnmatch.fnmatch(path, line) for line in IGNORED[1:] if line[0] not in "*!#")
