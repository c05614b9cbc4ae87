"""What an alert explains is not told after it either: stories in which the cause ends first."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.monitoring.alertmanager import FOLDER
from tests.monitoring.prometheus import CONFIG, tool

pytestmark = pytest.mark.monitoring

RULES: Final = {
    rule["alert"]: rule
    for group in yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
INHIBIT: Final = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())["inhibit_rules"]
NAMED: Final = re.compile(r'^alertname=~?"(.*)"$')
WINDOW: Final = re.compile(r"\[\d+m\]|_\d+m\b")
# They wait for the morning, and say what of a month's budget the trouble has used up.
OVER_HOURS: Final = {"AnswersSlowly", "TurnsFailNowAndThen"}

STEP_S: Final = 10  # as prometheus.yml has it
STORY_MIN: Final = 80
AWAY: Final = ((1, 10), (0, 20), (1, STORY_MIN))
AWAY_LONGER: Final = ((1, 10), (0, 20.5), (1, STORY_MIN))


def gauge(*pieces: tuple[float | str, float]) -> str:
    """Samples in promtool's notation: values, and for how many minutes each; the last one for the
    rest. The value ``stale`` is a series that is gone.
    """
    left = STORY_MIN * 60 // STEP_S
    told = []
    for value, minutes in pieces:
        steps = min(left, int(minutes * 60 / STEP_S))
        left -= steps
        told.append(f"stale _x{steps - 1}" if value == "stale" else f"{value}x{steps - 1}")
    return " ".join(told)


def counter(*pieces: tuple[int, float]) -> str:
    """The same of a counter: by how much it grows with each sample, and for how many minutes."""
    left = STORY_MIN * 60 // STEP_S
    value, told = 0, []
    for growth, minutes in pieces:
        steps = min(left, int(minutes * 60 / STEP_S))
        left -= steps
        told.append(f"{value}+{growth}x{steps - 1}")
        value += growth * steps
    return " ".join(told)


WELL: Final = {
    'up{job="voicebus"}': gauge((1, STORY_MIN)),
    'voicebus_bus_connected{cell="local"}': gauge((1, STORY_MIN)),
    'nats_up{address="a"}': gauge((1, STORY_MIN)),
    'nats_stream_messages{stream="JOBS"}': gauge((5, STORY_MIN)),
    **{
        f'voicebus_worker_ready{{job="voicebus", instance="{role}", role="{role}"}}': gauge(
            (1, STORY_MIN)
        )
        for role in ("stt", "turn", "llm", "tts")
    },
}
BACK: Final = gauge((1, 10), ("stale", 20), (1, STORY_MIN))
# Who waited is taken at once when somebody is there again, and seen to have waited only then.
WAITED: Final = {
    'voicebus_claim_wait_seconds_bucket{role="stt", le="0.1"}': counter(
        (1, 10), (0, 21.5), (1, STORY_MIN)
    ),
    **{
        f'voicebus_claim_wait_seconds_bucket{{role="stt", le="{le}"}}': counter(
            (1, 10), (0, 20.5), (1, STORY_MIN)
        )
        for le in ("5", "+Inf")
    },
}
# Callers, who notice for half a minute more.
CALLERS: Final = {
    'voicebus_client_errors_total{edge="websocket", code="no_worker"}': counter(
        (0, 10), (1, 20.5), (0, STORY_MIN)
    ),
    'voicebus_turns_total{outcome="failed"}': counter((0, 10), (1, 20.5), (0, STORY_MIN)),
    'voicebus_turns_total{outcome="completed"}': counter(*AWAY_LONGER),
    'voicebus_edge_free_slots{role="stt"}': gauge((5, 10), (0, 20.5), (5, STORY_MIN)),
}
STORIES: Final = {
    # The bus comes back, and half a minute later everybody is connected again.
    "BusDown": WAITED
    | CALLERS
    | {
        'voicebus_bus_connected{cell="local"}': gauge(*AWAY),
        'nats_up{address="a"}': BACK,
        'nats_stream_messages{stream="JOBS"}': gauge((5, 10), ("stale", 20), (5, STORY_MIN)),
        'nats_stream_replicas_behind{stream="JOBS"}': gauge(
            (0, 10), ("stale", 20), (1, 8), (0, STORY_MIN)
        ),
        'voicebus_worker_ready{job="voicebus", instance="stt", role="stt"}': gauge(*AWAY_LONGER),
        'voicebus_turn_response_seconds_count{edge="websocket"}': counter(
            (1, 10), (3, 20.5), (1, STORY_MIN)
        ),
        'voicebus_turn_response_seconds_bucket{edge="websocket", le="1.5"}': counter(*AWAY_LONGER),
        'voicebus_bus_ack_failures_total{stream="AUDIO", code="bus_timeout"}': counter(
            (0, 10), (1, 20.5), (0, STORY_MIN)
        ),
    },
    # The only worker of a stage drains, with the sessions that it has.
    "StageWithoutWorker": WAITED
    | CALLERS
    | {
        'voicebus_worker_ready{job="voicebus", instance="stt", role="stt"}': gauge(*AWAY),
        'voicebus_worker_slots{job="voicebus", instance="stt", role="stt"}': gauge((10, STORY_MIN)),
        'voicebus_worker_busy{job="voicebus", instance="stt", role="stt"}': gauge((5, STORY_MIN)),
        'nats_consumer_waiting{stream="JOBS", consumer="local-stt"}': gauge(
            (0, 10), (4, 20.5), (0, STORY_MIN)
        ),
    },
    # An election that takes long.
    "JobsWithoutLeader": WAITED
    | {
        'nats_stream_messages{stream="JOBS"}': gauge((5, 10), ("stale", 20), (5, STORY_MIN)),
        'voicebus_bus_ack_failures_total{stream="JOBS", code="bus_timeout"}': counter(
            (0, 10), (1, 20.5), (0, STORY_MIN)
        ),
    },
}


def names(matchers: list[str]) -> set[str]:
    """The alerts that a side of a rule of Alertmanager names."""
    (found,) = [match[1] for each in matchers if (match := NAMED.match(each))]
    return set(found.split("|"))


def explained(cause: str) -> set[str]:
    """What is not told beside an alert, but for what looks at hours."""
    found = {
        name
        for rule in INHIBIT
        if cause in names(rule["source_matchers"])
        for name in names(rule["target_matchers"])
    }
    return found - OVER_HOURS


def held_back() -> str:
    """What Alertmanager holds back, by its own rules, as a question to Prometheus."""
    return " or ".join(
        f'ALERTS{{{", ".join(rule["target_matchers"])}, alertstate="firing"}}'
        f" and on ({', '.join(rule['equal'])})"
        f' ALERTS{{{", ".join(rule["source_matchers"])}, alertstate="firing"}}'
        for rule in INHIBIT
    )


def moment(expr: str, alerts: set[str]) -> dict[str, object]:
    """A question at the end of a story, and the alerts that are its answer."""
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    asked = f"group by (alertname) ({expr})"
    return {"expr": asked, "eval_time": f"{STORY_MIN}m", "exp_samples": samples}


def test_whatever_explains_what_is_seen_later_has_a_story() -> None:
    """An alert that looks back over minutes, or is kept, is there when its cause is over."""
    later = {
        name
        for name, rule in RULES.items()
        if WINDOW.search(rule["expr"]) or "keep_firing_for" in rule
    }
    causes = {name for rule in INHIBIT for name in names(rule["source_matchers"])}

    assert {cause for cause in causes if explained(cause) & later} == set(STORIES)


@pytest.mark.parametrize("cause", STORIES)
def test_what_a_cause_explains_is_not_told_when_the_cause_is_over(
    cause: str, tmp_path: Path
) -> None:
    """All of it comes up while the cause is there or after it, and none is ever told; nor is the
    cause itself for ever. The series have a namespace, as an operator gives them one.
    """
    series = {**WELL, **STORIES[cause]}
    others = 'alertstate="firing", alertname!~"' + "|".join(["Watchdog", *sorted(OVER_HOURS)]) + '"'
    story = {
        "interval": f"{STEP_S}s",
        "input_series": [
            {"series": name.replace("{", '{namespace="talk", '), "values": values}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            moment(
                f"count_over_time(ALERTS{{{others}}}[{STORY_MIN}m])", {cause} | explained(cause)
            ),
            moment(
                f'count_over_time((ALERTS{{{others}, alertname!="{cause}"}}'
                f" unless ({held_back()}))[{STORY_MIN}m:{STEP_S}s])",
                set(),
            ),
            moment(f"ALERTS{{{others}}}", set()),
        ],
    }
    files = [str(CONFIG / name) for name in ("rules.yml", "alerts.yml")]
    test = {"rule_files": files, "evaluation_interval": f"{STEP_S}s", "tests": [story]}
    (tmp_path / "story.yml").write_text(yaml.safe_dump(test))

    told = subprocess.run(
        [tool("promtool"), "test", "rules", "story.yml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stdout + told.stderr
