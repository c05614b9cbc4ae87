"""``python -m deploy.dashboards``: write deploy/grafana/dashboards/*.json."""

from __future__ import annotations

from pathlib import Path

from deploy.dashboards import every_dashboard
from deploy.dashboards.grafana import render

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for dashboard in every_dashboard():
        (FOLDER / f"{dashboard.uid}.json").write_text(render(dashboard), encoding="utf-8")
