"""The systemd units: as systemd reads them, and executed together as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bridges.telegram.settings import TelegramSettings
from edge.settings import EdgeSettings
from edge.telephony.gate import SPARE
from edge.telephony.settings import TelephonySettings
from tests.deploy.pods import CALLS_S
from tests.deploy.stage import ROOT, Stage
from tests.deploy.telegram import telegram
from tests.deploy.units import COMMON, FOLDER, Manager, Unit, command_of, units
from voicebus import credentials, environment
from voicebus.settings import ProcessSettings

UNITS = [pytest.param(unit, id=unit.path.name) for unit in units()]
NOTIFYING = [pytest.param(u, id=u.path.name) for u in units() if u.one("Type") == "notify"]
SILENT = {"nats", "llama"}
"""Programs of others: their units say why they tell systemd nothing."""
GUIDE = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
TASKS = ("layout", "models")
MOST_EXPOSED = 30
"""Tenths; systemd-analyze calls 5.0 medium and 2.0 OK."""


@pytest.fixture(scope="module")
def analyze() -> str:
    """Path of ``systemd-analyze``. In CI (``CI=true``) a missing one is a failure."""
    found = shutil.which("systemd-analyze")
    if found is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("CI must read the units as systemd does: there is no systemd-analyze here")
        pytest.skip("there is no systemd-analyze here: apt-get install systemd")
    return found


def only(name: str) -> Unit:
    """The unit of a name."""
    return next(unit for unit in units() if unit.name == name)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A root folder into which the units are installed, with programs that do nothing."""
    folder = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(FOLDER, folder)
    programs = tmp_path / "opt" / "voicebus" / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("voicebus", "python", "nats-server"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for path in folder.rglob("*.*"):
        if path.is_file():
            text = path.read_text().replace("/opt/voicebus/", f"{tmp_path}/opt/voicebus/")
            path.write_text(text)
    return folder


def test_systemd_understands_every_unit(installed: Path, analyze: str) -> None:
    """No unknown setting, no value that is passed over, no program that is missing."""
    names = [str(path) for path in sorted(installed.glob("voicebus*.[st]*[et]"))]

    done = subprocess.run(
        [analyze, "verify", "--man=no", *names],
        env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert len(names) == len(units()) + 1
    assert [line for line in done.stderr.splitlines() if "voicebus" in line] == []


@pytest.mark.parametrize("unit", UNITS)
def test_no_unit_may_do_more_than_it_needs(unit: Unit, installed: Path, analyze: str) -> None:
    """By systemd's own measure of how much a service could do to its machine."""
    whole = installed / unit.path.name
    whole.write_text("\n".join(piece.read_text() for piece in (COMMON, whole, *unit.own)))

    done = subprocess.run(
        [
            *(analyze, "security", "--offline=true", "--no-pager"),
            *(f"--threshold={MOST_EXPOSED}", str(whole)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_process_of_ours_is_watched() -> None:
    """By systemd, which starts it anew when it hangs; but for tasks, which end by themselves."""
    types = {unit.name: unit.one("Type") for unit in units()}
    notifying = {name for name, kind in types.items() if kind == "notify"}

    assert notifying == {
        *("stt", "turn", "llm", "tts", "tool", "supervisor", "nats-exporter"),
        *("edge", "telephony", "telegram"),
    }
    assert {name for name, kind in types.items() if kind == "oneshot"} == set(TASKS)
    assert set(types) - notifying - set(TASKS) == SILENT
    for name in SILENT:
        assert re.search(r"^# .*systemd|^# No Type=notify", only(name).path.read_text(), re.M)


@pytest.mark.parametrize("unit", NOTIFYING)
def test_a_process_has_time_to_hand_on_what_it_holds(unit: Unit) -> None:
    """Systemd kills it well after it would have gone by itself."""
    drain_s = float(unit.environment().get("VOICEBUS_DRAIN_S", ProcessSettings().drain_s))
    assert float(unit.one("TimeoutStopSec")) >= drain_s + 15
    assert float(unit.one("WatchdogSec")) > 15  # its own, which says where it hangs
    assert unit.one("NotifyAccess") == "main"


def test_a_call_may_end_by_itself() -> None:
    """It cannot move, so an edge that is restarted waits as long for it as in a cluster."""
    assert only("telephony").environment()["VOICEBUS_DRAIN_S"] == CALLS_S


@pytest.mark.parametrize("unit", UNITS)
def test_connections_are_not_refused_for_want_of_files(unit: Unit) -> None:
    """An edge for telephones has more of them than systemd allows by itself, with room for others;
    so has an edge for browsers, and the bus for all.
    """
    most = TelephonySettings().max_calls + SPARE

    assert most > 1024
    assert int(unit.one("LimitNOFILE", "1024")) >= 4 * most


@pytest.mark.parametrize("unit", NOTIFYING)
def test_each_process_has_its_own_key_and_no_other(unit: Unit) -> None:
    """The seed is the one of its user; who only reads the server's page has none."""
    seeds = {line.partition(":")[2] for line in unit.all("LoadCredential")}
    user = {
        "edge": "edge-web1",
        "telephony": "edge-tel1",
        "telegram": "telegram-tg1",
    }.get(unit.name, unit.name)
    own = set() if unit.name == "nats-exporter" else {f"/etc/voicebus/users/{user}.seed"}

    system = {"/etc/voicebus/users/system.seed"}
    assert seeds == (own | system if unit.name == "supervisor" else own)


@pytest.mark.parametrize("unit", UNITS)
def test_only_the_telephones_edge_may_go_before_others(unit: Unit) -> None:
    """Its beat does not wait for a model; whatever else could take the machine for itself."""
    is_punctual = unit.name == "telephony"

    assert unit.one("RestrictRealtime") == ("no" if is_punctual else "yes")
    assert unit.one("LimitRTPRIO") == ("1" if is_punctual else "")


def test_the_bus_does_not_run_unwatched() -> None:
    """What the target starts has an exporter beside the server, which looks at that one's store."""
    exporter = only("nats-exporter")
    store = exporter.environment()["VOICEBUS_NATS_EXPORTER_STORE"]
    wanted = re.findall(r"^Wants=(.+)$", (FOLDER / "voicebus.target").read_text(), re.MULTILINE)

    assert {"voicebus-nats.service", exporter.path.name} <= set(" ".join(wanted).split())
    assert only("nats").one("ExecStart").endswith(f"-sd {store}")


def test_nothing_is_started_before_what_it_waits_for() -> None:
    """The guide enables units, and starts the target alone: a unit that is ready with a bus and
    models would hold up the line of the guide that brings them.
    """
    block = GUIDE.partition("systemctl daemon-reload\n")[2].partition("\n\n")[0]
    *enabling, starting = [line.split() for line in block.splitlines()]
    enabled = {re.sub(r"voicebus-|@.*", "", name) for words in enabling for name in words[2:]}

    assert [words[:2] for words in enabling] == [["systemctl", "enable"]]
    assert "--now" not in enabling[0]
    assert starting == ["systemctl", "enable", "--now", "voicebus.target"]
    assert enabled == {"supervisor", "llama", "stt", "turn", "llm", "tts", "edge"}
    for unit in map(only, enabled):
        after = set(" ".join(unit.all("After")).split())
        bus = {"voicebus-nats.service", "voicebus-layout.service"}
        assert unit.one("WantedBy") == "voicebus.target"
        assert after >= {"voicebus-models.service"} | (set() if unit.name == "llama" else bus)


def test_every_port_of_metrics_is_told_to_the_operator() -> None:
    """Who writes Prometheus' targets finds it in the guide, and no two units have the same."""
    ports = [unit.environment().get("VOICEBUS_METRICS_PORT", "") for unit in units()]
    given = [port for port in ports if port]

    assert len(set(given)) == len(given) > 6
    assert [port for port in given if not re.search(rf"\b{port}\b", GUIDE)] == []


def test_there_may_be_many_workers() -> None:
    """A unit can put numbers beside each other, not add them: each of 99 workers of a role has a
    port that there is, that is nobody else's, and that the kernel gives to no connection.
    """
    ports = []
    for unit in (unit for unit in units() if "%i" in raw_port(unit)):
        ports += [int(raw_port(unit).replace("%i", str(number))) for number in range(1, 100)]
    others = [int(raw_port(unit)) for unit in units() if raw_port(unit).isdigit()]

    assert len(ports) == 5 * 99
    assert len({*ports, *others, *listening()}) == len([*ports, *others, *listening()])
    assert all(1024 <= port < 32768 for port in ports)


def raw_port(unit: Unit) -> str:
    """The port of a unit's metrics, as it stands there."""
    found = re.search(r"VOICEBUS_METRICS_PORT=(\S+)", unit.path.read_text(encoding="utf-8"))
    return found[1] if found else ""


def listening() -> list[int]:
    """The ports of what units serve, whichever of them are enabled on a machine."""
    words = only("llama").one("ExecStart").split()
    telegram = only("telegram").environment().get("VOICEBUS_TELEGRAM_PORT", TelegramSettings().port)
    return [
        int(words[words.index("--port") + 1]),
        int(telegram),
        EdgeSettings().port,
        TelephonySettings().port,
    ]


def test_the_example_of_settings_is_right() -> None:
    """`voicebus config check` would say so."""
    assert environment.problems(Unit(FOLDER / "voicebus-llm@.service").environment(), "turn") == [
        "VOICEBUS_NATS_NKEY_FILE='%d/nkey': there is no such file"
    ]


@pytest.mark.operations
@pytest.mark.model
def test_every_unit_does_what_it_says(tmp_path: Path) -> None:
    """Each ExecStart= is executed, on the bus of voicebus-nats.service; all of them get ready,
    tell systemd so and that they live, and end with code 0 when they are asked to.
    """
    machine = tmp_path / "machine"
    etc = machine / "etc" / "voicebus"
    etc.mkdir(parents=True)
    shutil.copy(ROOT / "nats.conf", etc)
    shutil.copy(ROOT / "deploy" / "server.conf", etc)
    shutil.copy(ROOT / "deploy" / "tools" / "servers.toml", etc)
    credentials.ensure(etc / "users", "local", ("web1", "tel1"), ("tg1",))

    with Manager(tmp_path) as systemd, telegram() as bots, Stage(tmp_path) as stage:
        found = {u.name: systemd.watching(u, command_of(u, machine)) for u in units()}
        stage.start(found.pop("nats"))
        stage.wait_until_ready()
        stage.start(found.pop("llama"))
        for name in TASKS:
            stage.run(found.pop(name))
        bots.start(stage, found.pop("telegram"))
        for command in found.values():
            stage.start(command)
        stage.wait_until_ready()
        said = stage.talk("edge")
        watched = stage.page("nats-exporter")
        living = systemd.heard()
        codes = stage.end()
        ended = systemd.heard()

    assert json.loads(said)["reply"]
    assert re.search(r"^nats_up\{.*\} 1.0$", watched, re.MULTILINE)
    assert "nats_disk_free_bytes" in watched
    assert living == {name: {"READY=1", "WATCHDOG=1"} for name in set(codes) - SILENT}
    assert ended == {name: {*said, "STOPPING=1"} for name, said in living.items()}
    assert codes == dict.fromkeys(codes, 0)
    assert len(codes) == len(units()) - len(TASKS)
    bots.expect_asked()
