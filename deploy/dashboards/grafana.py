"""A dashboard as Grafana's JSON."""

from __future__ import annotations

import json
from typing import Any, Final

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row

_DATASOURCE: Final = {"type": "prometheus", "uid": "voicebus"}
_COLUMNS: Final = 24
_HEIGHT: Final = 8
_FIGURE_HEIGHT: Final = 4


def render(dashboard: Dashboard) -> str:
    """Return the JSON of a dashboard: the same for the same dashboard, byte by byte."""
    return json.dumps(document(dashboard), indent=2, ensure_ascii=False) + "\n"


def document(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana has it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["voicebus"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": []},
        "annotations": {"list": [_alerts()]},
        "links": [
            {
                "type": "dashboards",
                "tags": ["voicebus"],
                "title": "voicebus",
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "panels": _placed(dashboard.rows),
    }


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _DATASOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing", severity!="none"}',
        "titleFormat": "{{alertname}}",
    }


def _placed(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        placed.append(
            {
                "id": len(placed) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": top, "w": _COLUMNS, "h": 1},
                "panels": [],
            }
        )
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            height = _FIGURE_HEIGHT if panel.kind is Kind.FIGURE else _HEIGHT
            if left + panel.width > _COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            where = {"x": left, "y": top, "w": panel.width, "h": height}
            placed.append({"id": len(placed) + 1, **_panel(panel), "gridPos": where})
            left, tallest = left + panel.width, max(tallest, height)
        top += tallest
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    about = f"{panel.about} Empty without {panel.only}." if panel.only else panel.about
    return {
        "type": "timeseries" if panel.kind is Kind.STACK else panel.kind.value,
        "title": panel.title,
        "description": about,
        "datasource": _DATASOURCE,
        "targets": [_target(panel, place, query) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(panel: Panel, place: int, query: Query) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + place),
        "datasource": _DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": True,
        "exemplar": panel.kind in (Kind.LINES, Kind.HEAT) and "_bucket" in query.expr,
        "format": "heatmap" if panel.kind is Kind.HEAT else "time_series",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    custom: dict[str, Any] = {"fillOpacity": 8, "showPoints": "never"}
    if panel.kind is Kind.STACK:
        custom = {"fillOpacity": 60, "showPoints": "never", "stacking": {"mode": "normal"}}
    if panel.bad is not None and panel.kind is Kind.LINES:
        custom["thresholdsStyle"] = {"mode": "line"}
    return {
        "unit": panel.unit.value,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": custom if panel.kind in (Kind.LINES, Kind.STACK) else {},
    }


def _options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case Kind.FIGURE:
            return {"reduceOptions": last, "colorMode": "value", "graphMode": "area"}
        case Kind.BARS:
            return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"}
        case Kind.HEAT:
            return {"calculate": False, "yAxis": {"unit": panel.unit.value}}
        case _:
            legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
