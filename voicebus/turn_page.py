"""The turns of a session as one HTML file that needs nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from voicebus.turn_times import Bar, PastTurn

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fff; --line: #ddd; --soft: #777;
  --hold: #8a8f98; --stt: #3b7dd8; --turn: #7a5cc4; --llm: #c9730a; --tts: #2f8f5b; --heard: #9aa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6ea; --paper: #17181c; --line: #34353b;
  --soft: #9a9aa3; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin: 2.5rem 0 .3rem; }
p { margin: .2rem 0; } .soft, td.at { color: var(--soft); }
.row { display: grid; grid-template-columns: 4rem 1fr 6rem; align-items: center; gap: .8rem; }
.row > :last-child { text-align: right; font-variant-numeric: tabular-nums; }
.lane { position: relative; height: 1.15rem; border-bottom: 1px solid var(--line); }
.bar { position: absolute; top: .15rem; height: .8rem; min-width: 2px; border-radius: 2px; }
.rest { opacity: .35; }
.sound { position: absolute; top: 0; bottom: -1px; border-left: 2px solid var(--ink); }
table { border-collapse: collapse; margin-top: .6rem; font-variant-numeric: tabular-nums; }
td { padding: 0 1rem 0 0; } td.at { text-align: right; }
"""


def render(session: str, turns: Sequence[PastTurn]) -> str:
    """Return the page."""
    return "\n".join(_page(session, turns)) + "\n"


def _page(session: str, turns: Sequence[PastTurn]) -> Iterator[str]:
    title = f"Session {escape(session)}"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
    yield (
        '<p class="soft">Milliseconds since the last speech sample, by the clock of the log. '
        "Solid: until the next stage can go on. Faint: the rest of its work. "
        "The line is the first audio.</p>"
    )
    for turn in turns:
        yield from _turn(turn)
    yield "</body></html>"


def _turn(turn: PastTurn) -> Iterator[str]:
    response = "" if turn.response_ms is None else f", {turn.response_ms:.0f} ms"
    yield f"<h2>Turn {turn.turn}: {escape(turn.outcome or 'not ended')}{response}</h2>"
    if turn.asked:
        yield f"<p>{escape(turn.asked)}</p>"
    if turn.reply:
        yield f'<p class="soft">{escape(turn.reply)}</p>'
    if turn.trace_id:
        yield f'<p class="soft">trace <code>{escape(turn.trace_id)}</code></p>'
    first_ms = min((bar.start_ms for bar in turn.bars), default=0.0)
    last_ms = max((bar.end_ms for bar in turn.bars), default=0.0)
    scale = 100 / max(last_ms - first_ms, 1e-9)
    for bar in turn.bars:
        yield from _row(bar, turn.response_ms, first_ms, scale)
    yield "<table>"
    for mark in turn.marks:
        yield f'<tr><td class="at">{mark.at_ms:.0f}</td><td>{escape(mark.what)}</td></tr>'
    yield "</table>"


def _row(bar: Bar, sound_ms: float | None, first_ms: float, scale: float) -> Iterator[str]:
    def part(start_ms: float, end_ms: float, kind: str) -> str:
        left, width = (start_ms - first_ms) * scale, (end_ms - start_ms) * scale
        style = f"left:{left:.3f}%;width:{width:.3f}%;background:var(--{bar.name})"
        return f'<span class="{kind}" style="{style}"></span>'

    lane = part(bar.start_ms, bar.ready_ms, "bar")
    if bar.end_ms > bar.ready_ms:
        lane += part(bar.ready_ms, bar.end_ms, "bar rest")
    if sound_ms is not None:
        lane += f'<span class="sound" style="left:{(sound_ms - first_ms) * scale:.3f}%"></span>'
    ready_ms = bar.ready_ms - bar.start_ms or bar.end_ms - bar.start_ms
    yield (
        f'<div class="row"><span>{bar.name}</span><span class="lane">{lane}</span>'
        f"<span>{ready_ms:.0f} ms</span></div>"
    )
