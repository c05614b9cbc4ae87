"""Who is woken: a real Alertmanager tells receivers what a real Prometheus tells it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.monitoring.alertmanager import FOLDER, WIKI, Alertmanager, Receivers, filled_in
from tests.monitoring.prometheus import CONFIG, DEPLOY, Prometheus, tool
from voicebus.settings import BusSettings

pytestmark = pytest.mark.monitoring

RULES = [
    rule
    for group in yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"] for rule in RULES}
SHIPPED = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
CELLS = {"cell", "namespace"}  # what an alert has of its cell
CELL = {"cell": "local"}
MATCHER = re.compile(r'^(\w+)=~?"(.*)"$')


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Whom it may tell."""
    with Receivers() as listening:
        yield listening


@pytest.fixture
def alertmanager(tmp_path: Path, receivers: Receivers) -> Iterator[Alertmanager]:
    """An Alertmanager that tells them."""
    with Alertmanager(tmp_path, filled_in(tmp_path, receivers.url)) as running:
        yield running


def amtool(*words: str) -> str:
    """What amtool says, of what it has nothing against."""
    done = subprocess.run([tool("amtool"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_amtool_has_nothing_against_the_configuration(tmp_path: Path) -> None:
    """As it is, and with its own examples filled in: each has a receiver then."""
    config = filled_in(tmp_path, "http://127.0.0.1:9")
    filled = yaml.safe_load(config.read_text())["receivers"]

    assert "3 receivers" in amtool("check-config", str(FOLDER / "alertmanager.yml"))
    assert "1 templates" in amtool("check-config", str(config))
    assert [sorted(each) for each in SHIPPED["receivers"]] == [["name"]] * 3
    assert [len(each) for each in filled] == [2] * 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_reaches_whom_its_severity_names(rule: dict[str, dict[str, str]]) -> None:
    """And what always fires reaches the dead man's switch alone."""
    severity = rule["labels"]["severity"]
    words = (f"alertname={rule['alert']}", f"severity={severity}", "cell=local")

    told = amtool(
        "config", "routes", "test", f"--config.file={FOLDER / 'alertmanager.yml'}", *words
    )

    assert told == {"none": "watchdog"}.get(severity, severity)


def test_what_explains_what_are_alerts_and_labels_that_there_are() -> None:
    """One that was renamed would be told beside its cause again; and a label that an alert does
    not have is equal to another's that does not have it.
    """
    rules = SHIPPED["inhibit_rules"]
    sides = [
        {name: value for matcher in rule[side] for name, value in MATCHER.findall(matcher)}
        for rule in rules
        for side in ("source_matchers", "target_matchers")
    ]
    named = [name for side in sides for name in side["alertname"].split("|")]

    assert len(rules) > 5
    assert set(named) - ALERTS == set()
    assert all(set(rule["equal"]) >= CELLS for rule in rules)
    for rule, source, target in zip(rules, sides[::2], sides[1::2], strict=True):
        asked = {*rule["equal"], *source, *target} - {"alertname", *CELLS, "address", "code"}
        for name in (f"{source['alertname']}|{target['alertname']}").split("|"):
            (found,) = [each for each in RULES if each["alert"] == name]
            text = found["expr"] + found["annotations"]["description"]
            if "role" in rule["equal"]:
                assert re.search(r"\brole\b", text), name
            assert asked <= {"role", "stream"}


def test_prometheus_tells_the_alertmanager_that_stands_beside_it() -> None:
    """In containers it is the one of the service; and it says of which cell its alerts are."""
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["alertmanager"]
    port = service["ports"][0].rpartition(":")[2]

    for name, host in (("prometheus.yml", "127.0.0.1"), ("compose.yml", "alertmanager")):
        config = yaml.safe_load((CONFIG / name).read_text())
        (told,) = config["alerting"]["alertmanagers"]
        assert told["static_configs"] == [{"targets": [f"{host}:{port}"]}]
        assert config["global"]["external_labels"] == {"cell": BusSettings().cell}
    assert service["profiles"] == ["monitoring"]
    assert SHIPPED["route"]["group_by"] == ["alertname", "cell"]


def test_an_alert_comes_from_prometheus_to_a_receiver(
    tmp_path: Path, alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """The one that always fires: who waits for it is told, of which cell, and what it is."""
    (tmp_path / "prometheus").mkdir()
    with Prometheus(tmp_path / "prometheus", "127.0.0.1:9", told=alertmanager.address):
        alertmanager.wait(lambda: receivers.of("watchdog"))

    (told, *_) = receivers.of("watchdog")
    assert told["commonLabels"] == {"alertname": "Watchdog", "severity": "none", **CELL}
    assert told["commonAnnotations"]["runbook_url"] == "docs/runbooks/Watchdog.md"
    assert told["status"] == "firing"
    assert {message.receiver for message in receivers.messages} == {"watchdog"}


def test_a_cause_is_told_once_and_without_what_follows_from_it(
    alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """No process reaches a server: one message, with the page that says what to do, and none of
    the stages that have nobody. What has nothing to do with it is told, and so is another cell,
    be it called the same in a namespace of its own.
    """
    alertmanager.fire(
        [
            ("BusDown", CELL),
            ("StageWithoutWorker", {**CELL, "role": "stt"}),
            ("StageWithoutWorker", {**CELL, "role": "tts"}),
            ("JobsWait", {**CELL, "role": "stt"}),
            ("PhoneAudioLate", {**CELL, "instance": "a"}),
            ("PhoneAudioLate", {**CELL, "instance": "b"}),
            ("NoFreeSlots", {"cell": "other", "role": "stt"}),
            ("TurnsFail", {**CELL, "namespace": "trial"}),
            ("ProviderLeftAlone", {**CELL, "provider": "a"}),
        ]
    )
    alertmanager.wait(lambda: len(receivers.of("page")) >= 4 and receivers.of("ticket"))
    time.sleep(2.0)  # two more intervals: what is held back, is

    pages = [one["payload"]["summary"] for one in receivers.of("page")]
    assert sorted(pages) == [
        "[FIRING: 1] A NATS server does not answer (cell local)",
        "[FIRING: 1] The next caller will be turned away (cell other)",
        "[FIRING: 1] Turns fail (cell local)",
        "[FIRING: 2] Telephones hear clicks (cell local)",
    ]
    (ticket,) = receivers.of("ticket")
    assert f"{WIKI}docs/runbooks/ProviderLeftAlone.md" in ticket["attachments"][0]["text"]
    assert f"{WIKI}docs/runbooks/BusDown.md" in str(receivers.of("page"))
    assert alertmanager.suppressed() == {"StageWithoutWorker", "JobsWait"}


def test_one_lost_server_of_a_cluster_hides_nothing(
    alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """The others go on: a stage that has nobody has a cause of its own."""
    alertmanager.fire(
        [
            ("BusDown", {**CELL, "address": "10.0.0.1:8222"}),
            ("StageWithoutWorker", {**CELL, "role": "stt"}),
            ("NoFreeSlots", {**CELL, "role": "stt"}),
            ("NoFreeSlots", {**CELL, "role": "turn"}),
        ]
    )
    alertmanager.wait(lambda: len(receivers.of("page")) >= 3)

    assert alertmanager.suppressed() == {"NoFreeSlots"}
    assert [m for m in receivers.of("page") if "[FIRING: 1] The next caller" in str(m)]


def test_a_full_stage_does_not_hide_a_full_edge(
    alertmanager: Alertmanager, receivers: Receivers
) -> None:
    """Callers are told `busy` by both: who only hears of the stage adds a worker, in vain."""
    alertmanager.fire(
        [
            ("NoFreeSlots", {**CELL, "role": "stt"}),
            ("SlotsNearlyFull", {**CELL, "role": "stt"}),
            ("CallersRefused", {**CELL, "edge": "telephony", "code": "busy"}),
        ]
    )
    alertmanager.wait(lambda: len(receivers.of("page")) >= 2)

    assert alertmanager.suppressed() == {"SlotsNearlyFull"}
    assert [m for m in receivers.of("page") if "Callers are turned away" in str(m)]
