"""The page of past turns: where bars lie, how wide they are, and the figures beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from voicebus.turn_page import render
from voicebus.turn_times import Bar, Mark, PastTurn

TURN = PastTurn(
    turn=3,
    revision=1,
    outcome="completed",
    asked="how much is it",
    reply="Ten.",
    trace_id="",
    response_ms=800.0,
    bars=(
        Bar("hold", 0, 600, 600),
        Bar("stt", 600, 650, 650),
        Bar("llm", 656, 750, 860),
        Bar("tts", 750, 800, 1_000),
        Bar("heard", 800, 800, 1_250),
    ),
    marks=(Mark(0, "the last word"), Mark(1_250, "completed")),
)


@dataclass
class Row:
    """One line of the page: a name, bars as (left, width) in percent, the sound, the figure."""

    name: str
    solid: tuple[float, float]
    faint: tuple[float, float] | None
    sound: float | None
    figure: str


class Rows(HTMLParser):
    """Reads the lines of a page as a browser has them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._bars: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is a line's."""
        given = {name: value or "" for name, value in attrs}
        kind = given.get("class", "")
        if tag == "div" and kind == "row":
            self._bars, self._texts = [], []
        if kind in {"bar", "bar rest", "sound"}:
            style = dict(one.split(":", 1) for one in given["style"].split(";"))
            self._bars.append((kind, style))
        self._open.append(tag)

    def handle_data(self, data: str) -> None:
        """Keep its words."""
        if self._open[-1:] == ["span"]:
            self._texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        """A line is over."""
        while self._open and self._open.pop() != tag:
            pass
        if tag != "div":
            return
        of = dict(self._bars)
        name, figure = self._texts
        assert {style["background"] for kind, style in self._bars if kind != "sound"} == {
            f"var(--{name})"
        }
        self.rows.append(
            Row(
                name,
                _placed(of["bar"]),
                _placed(of["bar rest"]) if "bar rest" in of else None,
                _percent(of["sound"]["left"]) if "sound" in of else None,
                figure,
            )
        )


def _placed(style: dict[str, str]) -> tuple[float, float]:
    return _percent(style["left"]), _percent(style["width"])


def _percent(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1])


def rows_of(turn: PastTurn) -> list[Row]:
    """The lines of a turn on its page."""
    found = Rows()
    found.feed(render("s", [turn]))
    return found.rows


def test_bars_lie_where_their_time_was_and_are_as_wide_as_it_took() -> None:
    """All on one axis, which is as long as everything together: 1250 ms here.

    Solid until the next stage can go on, faint for the rest of the work.
    """
    rows = {row.name: row for row in rows_of(TURN)}

    assert list(rows) == ["hold", "stt", "llm", "tts", "heard"]
    assert rows["hold"].solid == (0.0, 48.0)
    assert rows["stt"].solid == (48.0, 4.0)
    assert rows["llm"].solid == (52.48, 7.52)
    assert rows["llm"].faint == (60.0, 8.8)
    assert rows["tts"].solid == (60.0, 4.0)
    assert rows["tts"].faint == (64.0, 16.0)
    assert rows["heard"].solid == (64.0, 0.0)
    assert rows["heard"].faint == (64.0, 36.0)
    assert [rows[name].faint for name in ("hold", "stt")] == [None, None]


def test_the_first_sound_is_a_line_through_all_rows() -> None:
    """At the response latency; of a turn without sound there is none."""
    assert [row.sound for row in rows_of(TURN)] == [64.0] * 5

    silent = rows_of(replace(TURN, response_ms=None))
    assert [row.sound for row in silent] == [None] * 5


def test_beside_each_bar_stands_what_the_next_stage_waited_for() -> None:
    """Its solid part in milliseconds; of what has none (what was heard), all of it."""
    assert {row.name: row.figure for row in rows_of(TURN)} == {
        "hold": "600 ms",
        "stt": "50 ms",
        "llm": "94 ms",
        "tts": "50 ms",
        "heard": "450 ms",
    }


def test_the_heading_says_the_response_and_the_table_when_what_happened() -> None:
    """In milliseconds since the last word."""
    page = render("s", [TURN])

    assert "<h2>Turn 3: completed, 800 ms</h2>" in page
    table = re.findall(r'<tr><td class="at">(.+?)</td><td>(.+?)</td></tr>', page)
    assert table == [("0", "the last word"), ("1250", "completed")]


@pytest.mark.parametrize("shift_ms", [-400.0, 5_000.0])
def test_the_axis_begins_with_the_first_bar(shift_ms: float) -> None:
    """A turn whose work began before the last word, or long after it, fills the page as well."""
    bars = tuple(
        Bar(bar.name, bar.start_ms + shift_ms, bar.ready_ms + shift_ms, bar.end_ms + shift_ms)
        for bar in TURN.bars
    )
    moved = replace(TURN, bars=bars, response_ms=800.0 + shift_ms)

    assert rows_of(moved) == rows_of(TURN)
