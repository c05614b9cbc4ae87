"""A dashboard as a picture (SVG), for places where no Grafana is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from html import escape, unescape
from typing import Any, Final

from msgspec import Struct, json

from deploy.dashboards.grafana import document
from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row

_COLUMN, _LINE, _GAP, _TOP = 50, 30, 4, 44
_COLOURS: Final = (
    "#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#c4a000", "#1f9e9e", "#8f3b76",
)  # fmt: skip
_LEGEND: Final = 6
_STYLE: Final = (
    "text{font:11px system-ui,sans-serif;fill:#52565c}.t{font-weight:600;fill:#1f2226}"
    ".h{font-size:14px;font-weight:600;fill:#1f2226}.n{font-size:30px;font-weight:600}"
    ".p{fill:#fff;stroke:#dcdfe3}.g{stroke:#e8eaed}.b{stroke:#e02f44;stroke-dasharray:4 3}"
)


class Series(Struct, frozen=True):
    """A series.

    Fields
        labels: Its labels.
        points: Time (s) and value.
    """

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


Fetch = Callable[[str], Sequence[Series]]
"""Runs a query over the time that is shown."""


class _Box(Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float


class _Line(Struct, frozen=True):
    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        return self.points[-1][1]


def draw(dashboard: Dashboard, fetch: Fetch) -> str:
    """Return a picture of a dashboard, laid out as Grafana does it.

    Rows of which nothing is to be seen are left out. It says itself of what it was drawn:
    :func:`drawn_from`.

    Args:
        dashboard: What is shown.
        fetch: Runs its queries.
    """
    found = {
        id(panel): _lines(panel.queries, fetch) for row in dashboard.rows for panel in row.panels
    }
    shown = tuple(
        Row(row.title, tuple(panel for panel in row.panels if found[id(panel)]))
        for row in dashboard.rows
    )
    placed = document(
        Dashboard(dashboard.uid, dashboard.title, tuple(r for r in shown if r.panels))
    )
    panels = [panel for row in shown for panel in row.panels]
    lines = [line for drawn in found.values() for line in drawn]
    times = [at_s for line in lines for at_s, _ in line.points] or [0.0]
    body: list[str] = []
    rest = iter(panels)
    for place in placed["panels"]:
        box = _box(place["gridPos"])
        if place["type"] == "row":
            body.append(_text(box.x + 4, box.y + 20, place["title"], "h"))
            continue
        panel = next(rest)
        body += _panel(panel, found[id(panel)], box, (min(times), max(times)))
    height = max((_bottom(place["gridPos"]) for place in placed["panels"]), default=0) + _GAP
    width = 24 * _COLUMN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}">{_metadata(panels)}<style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#f4f5f7"/>'
        f"{_text(8, 28, dashboard.title, 'h')}\n" + "\n".join(body) + "\n</svg>\n"
    )


def drawn_from(picture: str) -> dict[str, list[str]]:
    """Return the queries of which a picture was drawn, by the panels' titles.

    Raises:
        ValueError: The picture does not say so.
    """
    found = re.search("<metadata>(.*?)</metadata>", picture, re.DOTALL)
    if found is None:
        raise ValueError("the picture does not say of what it was drawn")
    return json.decode(unescape(found[1]), type=dict[str, list[str]])


def _metadata(panels: Sequence[Panel]) -> str:
    said = {panel.title: [query.expr for query in panel.queries] for panel in panels}
    return f"<metadata>{escape(json.encode(said).decode(), quote=False)}</metadata>"


def _lines(queries: Sequence[Query], fetch: Fetch) -> list[_Line]:
    lines = []
    for query in queries:
        for series in fetch(query.expr):
            points = tuple(point for point in series.points if math.isfinite(point[1]))
            if points:
                lines.append(_Line(_name(query.legend, series.labels), points))
    return lines


def _name(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend)


def _box(place: dict[str, Any]) -> _Box:
    return _Box(
        place["x"] * _COLUMN + _GAP,
        place["y"] * _LINE + _TOP + _GAP,
        place["w"] * _COLUMN - 2 * _GAP,
        place["h"] * _LINE - 2 * _GAP,
    )


def _bottom(place: dict[str, Any]) -> float:
    return float((place["y"] + place["h"]) * _LINE + _TOP)


def _panel(panel: Panel, lines: list[_Line], box: _Box, span: tuple[float, float]) -> Iterator[str]:
    yield (
        f'<rect class="p" x="{box.x}" y="{box.y}" width="{box.width}" '
        f'height="{box.height}" rx="3"/>'
    )
    yield _text(box.x + 10, box.y + 18, panel.title, "t")
    match panel.kind:
        case Kind.FIGURE:
            yield _text(box.x + 10, box.y + 66, figure(lines[0].last, panel.unit.value), "n")
        case Kind.BARS:
            yield from _bars(panel, lines, box)
        case Kind.HEAT:
            yield from _heat(lines, box)
        case _:
            yield from _plot(panel, lines, box, span)


def _bars(panel: Panel, lines: list[_Line], box: _Box) -> Iterator[str]:
    top = max((line.last for line in lines), default=0.0) or 1.0
    step = min(26.0, (box.height - 34) / len(lines))
    for place, line in enumerate(sorted(lines, key=lambda line: -line.last)):
        y = box.y + 32 + place * step
        width = (box.width - 190) * line.last / top
        yield _text(box.x + 10, y + step / 2 + 4, line.name, "")
        yield (
            f'<rect x="{box.x + 100:g}" y="{y + 2:g}" width="{max(width, 1):.1f}" '
            f'height="{step - 6:g}" rx="2" fill="{_COLOURS[0]}"/>'
        )
        shown = figure(line.last, panel.unit.value)
        yield _text(box.x + 108 + width, y + step / 2 + 4, shown, "")


def _heat(lines: list[_Line], box: _Box) -> Iterator[str]:
    """Draw how many fell into each bucket: the darker the more. Lines are cumulative buckets."""
    rows = sorted(
        (line for line in lines if line.name != "+Inf"), key=lambda line: float(line.name)
    )
    totals = [sum(value for _, value in line.points) for line in rows]
    counts = [
        max(0.0, after - before) for before, after in zip([0.0, *totals], totals, strict=False)
    ]
    kept = [place for place, count in enumerate(counts) if count > 0]
    if not kept:
        return
    first, last = max(0, kept[0] - 1), min(len(rows) - 1, kept[-1] + 1)
    step = (box.height - 40) / (last - first + 1)
    for place in range(first, last + 1):
        y = box.y + box.height - 8 - (place - first + 1) * step
        share = counts[place] / max(counts)
        yield _text(box.x + 10, y + step / 2 + 4, f"≤ {figure(float(rows[place].name), 's')}", "")
        yield (
            f'<rect x="{box.x + 80:g}" y="{y + 1:.1f}" width="{box.width - 100:g}" '
            f'height="{step - 2:.1f}" fill="{_COLOURS[0]}" '
            f'fill-opacity="{0.05 + 0.9 * share:.2f}"/>'
        )


def _plot(panel: Panel, lines: list[_Line], box: _Box, span: tuple[float, float]) -> Iterator[str]:
    if panel.kind is Kind.STACK:
        lines = _stacked(lines)
    left, right = box.x + 58, box.x + box.width - 12
    top, bottom = box.y + 34, box.y + box.height - 42
    highest = max(value for line in lines for _, value in line.points)
    ceiling = nice(highest)

    def at(point: tuple[float, float]) -> str:
        x = left + (right - left) * (point[0] - span[0]) / max(span[1] - span[0], 1e-9)
        y = bottom - (bottom - top) * min(point[1], ceiling) / ceiling
        return f"{x:.1f},{y:.1f}"

    for part in (0.0, 0.5, 1.0):
        y = bottom - (bottom - top) * part
        yield f'<line class="g" x1="{left}" x2="{right}" y1="{y:g}" y2="{y:g}"/>'
        yield _text(left - 6, y + 4, figure(ceiling * part, panel.unit.value), "", "end")
    if panel.bad is not None and panel.bad < ceiling:
        y = bottom - (bottom - top) * panel.bad / ceiling
        yield f'<line class="b" x1="{left}" x2="{right}" y1="{y:g}" y2="{y:g}"/>'
    yield _text(left, bottom + 15, f"{span[0] - span[1]:.0f} s", "")
    yield _text(right, bottom + 15, "now", "", "end")
    x = box.x + 12
    for place, line in enumerate(sorted(lines, key=_height, reverse=True)):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(at(point) for point in line.points)
        if panel.kind is Kind.STACK:
            ends = [at((line.points[end][0], 0.0)) for end in (0, -1)]
            yield f'<polygon points="{ends[0]} {path} {ends[1]}" fill="{colour}"/>'
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        width = 22 + 6.2 * len(line.name)
        if place < _LEGEND and line.name and x + width < right:
            yield (
                f'<rect x="{x:g}" y="{box.y + box.height - 18:g}" width="9" height="9" '
                f'fill="{colour}"/>'
            )
            yield _text(x + 13, box.y + box.height - 10, line.name, "")
            x += width


def _stacked(lines: list[_Line]) -> list[_Line]:
    """Return each line on top of those before it."""
    sums: dict[float, float] = {}
    stacked = []
    for line in sorted(lines, key=_height):
        for at_s, value in line.points:
            sums[at_s] = sums.get(at_s, 0.0) + value
        stacked.append(_Line(line.name, tuple((at_s, sums[at_s]) for at_s, _ in line.points)))
    return stacked


def _height(line: _Line) -> float:
    return sum(value for _, value in line.points) / len(line.points)


def nice(highest: float) -> float:
    """Return a round number at or above a value; 1 for 0."""
    if highest <= 0:
        return 1.0
    power = float(10 ** math.floor(math.log10(highest)))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= highest * 0.999)


def figure(value: float, unit: str) -> str:
    """Return a value as people write it.

    Args:
        value: The value.
        unit: One of :class:`~deploy.dashboards.panels.Unit`.
    """
    match unit:
        case "s":
            return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes" | "Bps":
            tail = "/s" if unit == "Bps" else ""
            for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
                if value >= size:
                    return f"{value / size:.3g} {name}{tail}"
            return f"{value:.0f} B{tail}"
        case _:
            return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(text, quote=False)}</text>"
    )
