"""Grafana's dashboards, one module each. ``python -m deploy.dashboards`` writes their JSON."""

from __future__ import annotations

from deploy.dashboards import channels, fleet, models, nats, overview, turn
from deploy.dashboards.panels import Dashboard

__all__ = ["every_dashboard"]


def every_dashboard() -> tuple[Dashboard, ...]:
    """Return all of them, in the order in which one reads them."""
    return (
        overview.dashboard(),
        turn.dashboard(),
        fleet.dashboard(),
        nats.dashboard(),
        channels.dashboard(),
        models.dashboard(),
    )
