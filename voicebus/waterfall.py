"""Where the time of an answer went, as text.

::

    hold  ██████████████████████▌             601 ms
    stt                         ███▊           96 ms
    total                                     812 ms
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
"""A cell of a terminal, filled from the left by 0 to 7 eighths."""


class Stage(Struct, frozen=True):
    """What one stage did, in ms since the caller's last speech sample.

    Fields
        name: ``hold``, ``stt``, ``llm``, ``tts``, ``edge`` …
        start_ms: When it began.
        end_ms: When what the next stage waits for was there.
    """

    name: str
    start_ms: float
    end_ms: float


def draw_waterfall(
    stages: Sequence[Stage], total_ms: float | None = None, columns: int = 78
) -> str:
    """Draw one bar per stage on a common time axis, and the total below.

    Args:
        stages: In the order in which they are shown.
        total_ms: The whole response latency; the end of the last stage when None.
        columns: Width of a line in characters; at least 40 are used.

    Returns:
        Lines without a newline at the end; empty when there is nothing to show.
    """
    if not stages and total_ms is None:
        return ""
    end_ms = max((stage.end_ms for stage in stages), default=0.0)
    total_ms = end_ms if total_ms is None else total_ms
    rows = [(stage.name, stage.end_ms - stage.start_ms) for stage in stages]
    rows.append(("total", total_ms))
    names = max(len(name) for name, _ in rows)
    figures = max(len(_figure(ms)) for _, ms in rows)
    cells = max(columns, 40) - names - figures - 4
    scale = cells / max(end_ms, total_ms, 1e-9)
    bars = [_bar(stage.start_ms * scale, stage.end_ms * scale, cells) for stage in stages]
    return "\n".join(
        f"{name:<{names}}  {bar:<{cells}}  {_figure(ms):>{figures}}"
        for (name, ms), bar in zip(rows, [*bars, ""], strict=True)
    )


def _figure(ms: float) -> str:
    return f"{ms:.0f} ms"


def _bar(start: float, end: float, cells: int) -> str:
    # Only a bar's right edge can be drawn in eighths, so its left edge is rounded to a cell.
    first = min(max(round(start), 0), cells - 1)
    eighths = max(round((min(end, cells) - first) * 8), 1)
    return " " * first + "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
