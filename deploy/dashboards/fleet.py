"""The fleet: who is there, how full it is, and what an autoscaler sees."""

from __future__ import annotations

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit, rate


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        "voicebus-fleet",
        "voicebus / 3 Fleet and autoscaling",
        (
            Row("Capacity", _capacity()),
            Row("Work that changes hands", _hands()),
            Row("Processes", _processes()),
        ),
    )


def _capacity() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Ready workers",
            about="That take jobs. A stage without one answers nobody.",
            queries=(Query("sum by (role) (voicebus_worker_ready)", "{{role}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Wanted against slots",
            about="Jobs that wait, jobs that are held and places that are promised, for each slot "
            "of the ready workers: the signal of the autoscaler. Above 1 somebody waits; 0.7 "
            "leaves room to start a worker.",
            queries=(
                Query(
                    "max by (role) (voicebus_demand_sessions) / max by (role) (voicebus_slots)",
                    "{{role}}",
                ),
            ),
            unit=Unit.RATIO,
            bad=1,
        ),
        Panel(
            title="Free places, as the edges know them",
            about="Sessions that could still be let in. At 0 callers are told busy.",
            queries=(Query("min by (role) (voicebus_edge_free_slots)", "{{role}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Slots and claims",
            about="What the ready workers can hold, and what they hold.",
            queries=(
                Query("role:voicebus_worker_slots:sum", "{{role}} slots"),
                Query("role:voicebus_worker_busy:sum", "{{role}} held"),
            ),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Workers of the autoscaler",
            about="That `voicebus autoscale` runs: ready, starting, draining.",
            queries=(
                Query("sum by (role, state) (voicebus_autoscale_workers)", "{{role}} {{state}}"),
            ),
            unit=Unit.COUNT,
            only="`voicebus autoscale`",
        ),
        Panel(
            title="Jobs that nobody has yet",
            about="The queue. Not 0 for long: a stage is too small, or its workers hang.",
            queries=(Query("role:nats_consumer_waiting:sum", "{{role}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Age of the oldest job that nobody has",
            about="Grows by a second each second: nobody takes jobs of this stage. Like a saw: too "
            "few do.",
            queries=(Query("max by (role) (voicebus_queue_age_seconds)", "{{role}}"),),
            unit=Unit.SECONDS,
            bad=5,
        ),
        Panel(
            title="Wait for a worker",
            about="From publishing a job to a worker starting on it.",
            queries=(
                Query("role:voicebus_claim_wait_seconds:p50_5m", "{{role}} p50"),
                Query("role:voicebus_claim_wait_seconds:p99_5m", "{{role}} p99"),
            ),
            unit=Unit.SECONDS,
        ),
    )


def _hands() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Claims by how they ended",
            about="handed_on: a worker drained. fenced: another one had taken over.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_claims_total', 'role, outcome')}", "{{role}} {{outcome}}"
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Handed on for workers that died",
            about="disconnected: within 50 ms. silent: the worker was stopped, or its machine.",
            queries=(
                Query(
                    f"60 * {rate('voicebus_handovers_total', 'role, reason')}",
                    "{{role}} {{reason}}",
                ),
            ),
            unit=Unit.PER_MINUTE,
        ),
        Panel(
            title="Restarts",
            about="Of the last 15 minutes, of the worst of its kind.",
            queries=(Query("process:voicebus_restarts:increase_15m", "{{process}}"),),
            unit=Unit.COUNT,
            bad=3,
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        Panel(
            title="Processes that answer",
            about="1: Prometheus reads its metrics.",
            queries=(Query('min by (process, instance) (up{job="voicebus"})', "{{process}}"),),
            unit=Unit.COUNT,
            kind=Kind.BARS,
        ),
        Panel(
            title="Processor",
            about="Cores that each process uses.",
            queries=(
                Query(
                    'sum by (process) (rate(process_cpu_seconds_total{job="voicebus"}'
                    "[$__rate_interval]))",
                    "{{process}}",
                ),
            ),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Memory",
            about="Resident. What grows for days without more sessions is a leak.",
            queries=(
                Query(
                    'sum by (process) (process_resident_memory_bytes{job="voicebus"})',
                    "{{process}}",
                ),
            ),
            unit=Unit.BYTES,
        ),
        Panel(
            title="Lag of the event loops, p99",
            about="Whatever blocks a loop makes everybody's audio in its process late.",
            queries=(Query("process:voicebus_loop_lag_seconds:p99_5m", "{{process}}"),),
            unit=Unit.SECONDS,
            bad=0.1,
        ),
        Panel(
            title="Tasks",
            about="Of the event loops: grows with sessions, and falls with them.",
            queries=(Query("sum by (process) (voicebus_tasks)", "{{process}}"),),
            unit=Unit.COUNT,
        ),
        Panel(
            title="Round trip to the bus",
            about="Of each process.",
            queries=(Query("max by (process) (voicebus_bus_rtt_seconds)", "{{process}}"),),
            unit=Unit.SECONDS,
        ),
    )
