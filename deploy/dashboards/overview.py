"""Are callers well? One look, then the dashboard that says why not."""

from __future__ import annotations

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit, rate, recorded


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-overview",
        "voicebus / 1 Overview",
        (
            Row("Now", _now()),
            Row("Answers", _answers()),
            Row("Trouble", _trouble()),
        ),
    )


def _now() -> tuple[Panel, ...]:
    return (
        _figure(
            "Answers in time",
            "Share of the answers of 5 minutes heard within 1.5 s. The objective is 95 %.",
            "1 - slo:voicebus_response_slow:ratio_5m",
            Unit.RATIO,
        ),
        _figure(
            "Turns that did not fail",
            "Of those that ended in 5 minutes. The objective is 99 %.",
            "1 - slo:voicebus_turns_failed:ratio_5m",
            Unit.RATIO,
        ),
        _figure(
            "Response, p95",
            "From the caller's last word to the first sound of the answer, at the worst edge.",
            "max(edge:voicebus_turn_response_seconds:p95_5m)",
            Unit.SECONDS,
        ),
        _figure("Sessions", "Connected now.", "sum(voicebus_sessions_active)", Unit.COUNT),
        _figure(
            "Turns a minute",
            "That ended.",
            f"60 * {rate('voicebus_turns_total', '')}",
            Unit.PER_MINUTE,
        ),
        _figure(
            "Alerts",
            "That fire. Each has a page in docs/runbooks.",
            'count(ALERTS{alertstate="firing", severity!="none"}) or vector(0)',
            Unit.COUNT,
        ),
    )


def _figure(title: str, about: str, expr: str, unit: Unit) -> Panel:
    return Panel(
        title=title, about=about, queries=(Query(expr),), unit=unit, kind=Kind.FIGURE, width=4
    )


def _answers() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Response latency",
            about="From the caller's last word to the first sound of the answer. "
            "People leave each other 0.2 s; from 1.5 s on callers ask whether anybody is there.",
            queries=recorded("edge:voicebus_turn_response_seconds", "{{edge}}"),
            unit=Unit.SECONDS,
            bad=1.5,
            width=12,
        ),
        Panel(
            title="Where the time goes, p95 of each stage",
            about="Stages overlap: an answer is prepared while the end of the turn is awaited. "
            "The highest line is where to look: dashboard 2.",
            queries=(Query("stage:voicebus_stage_seconds:p95_5m", "{{stage}}"),),
            unit=Unit.SECONDS,
            width=12,
        ),
        Panel(
            title="How fast the budget of late answers burns",
            about="1 uses it up in exactly a month. Above 14.4 somebody is woken.",
            queries=(
                Query("slo:voicebus_response_slow:ratio_5m / 0.05", "5 min"),
                Query("slo:voicebus_response_slow:ratio_1h / 0.05", "1 h"),
                Query("slo:voicebus_response_slow:ratio_6h / 0.05", "6 h"),
            ),
            unit=Unit.COUNT,
            bad=14.4,
        ),
        Panel(
            title="How fast the budget of failed turns burns",
            about="1 uses it up in exactly a month. Above 14.4 somebody is woken.",
            queries=(
                Query("slo:voicebus_turns_failed:ratio_5m / 0.01", "5 min"),
                Query("slo:voicebus_turns_failed:ratio_1h / 0.01", "1 h"),
                Query("slo:voicebus_turns_failed:ratio_6h / 0.01", "6 h"),
            ),
            unit=Unit.COUNT,
            bad=14.4,
        ),
        Panel(
            title="Turns by how they ended",
            about="Interrupted ones are people's right; failed ones are not.",
            queries=(Query(f"60 * {rate('voicebus_turns_total', 'outcome')}", "{{outcome}}"),),
            unit=Unit.PER_MINUTE,
            kind=Kind.STACK,
        ),
    )


def _trouble() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Failures that callers heard of",
            about="By the stage that failed and the code of docs/reference/websocket.md.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_failures_total', 'stage, code')}", "{{stage}} {{code}}"
                ),
            ),
            unit=Unit.PER_MINUTE,
            only="a failure",
        ),
        Panel(
            title="Callers turned away",
            about="busy: every slot is taken. no_worker: a stage has no worker.",
            queries=(
                Query(
                    "60 * "
                    + rate("voicebus_client_errors_total", "code", 'code=~"busy|no_worker"'),
                    "{{code}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
            bad=1,
        ),
        Panel(
            title="Gaps in callers' audio",
            about="repaired: read again from the log, nobody noticed. lost: words are missing.",
            queries=(Query(f"60 * {rate('voicebus_audio_gaps_total', 'outcome')}", "{{outcome}}"),),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Work of lost workers",
            about="What became of it. cut: a reply ended where it was.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_takeovers_total', 'role, outcome')}",
                    "{{role}} {{outcome}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Dead letters",
            about="Jobs that killed or failed three workers: voicebus dead-letters list.",
            queries=(Query(f"60 * {rate('voicebus_dead_letters_total', 'role')}", "{{role}}"),),
            unit=Unit.PER_MINUTE,
            bad=1,
        ),
        Panel(
            title="Process restarts",
            about="Of the last 15 minutes, of the worst of its kind.",
            queries=(Query("process:voicebus_restarts:increase_15m", "{{process}}"),),
            unit=Unit.COUNT,
            bad=3,
        ),
    )
