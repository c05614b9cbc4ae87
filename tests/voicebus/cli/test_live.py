"""``voicebus load`` and ``voicebus top`` while somebody looks at them, in a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import msgspec
import pytest

from tests.edge_script import Line, edge, tone
from tests.terminal import Terminal, screen_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until, worker_in
from voicebus.audio.wav import write_wav
from voicebus.cli.load import moment
from voicebus.exchange import Exchange, TurnHeard
from voicebus.load.tally import Tally

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))
COLUMNS, LINES = 72, 40
MOMENT = re.compile(r" +(\d+) s  1 sessions  (\d+) turns  errors 0  last 10 s: p50 (\d+) ms, ")
WITHIN_S = 20.0


def heard(response_ms: float, lag_ms: float) -> TurnHeard:
    """A turn that was answered."""
    return msgspec.structs.replace(
        Exchange().heard("s-1"), response_ms=response_ms, send_lag_ms_max=lag_ms
    )


def test_a_moment_of_a_load_says_what_was_counted() -> None:
    """Times of the last ten seconds alone; errors, and how late the callers were, of all."""
    tally = Tally(counted_s=100.0)
    tally.open = 3
    tally.heard(heard(5_000.0, 30.0), 101.0, 102.0)
    for response_ms in (800.0, 900.0, 1_000.0):
        tally.heard(heard(response_ms, 2.0), 110.0, 115.0)
    tally.failed("busy")
    tally.failed("no_worker")
    tally.failed("busy")

    assert moment(tally, began_s=98.0, now_s=120.4) == (
        "   22 s  3 sessions  4 turns  errors 3  last 10 s: p50 900 ms, p95 990 ms  "
        "own lag p99 29 ms"
    )


def test_a_moment_before_the_first_answer_has_no_times() -> None:
    """And none is made up."""
    assert moment(Tally(counted_s=0.0), began_s=7.0, now_s=8.0) == (
        "    1 s  0 sessions  0 turns  errors 0  last 10 s: p50 0 ms, p95 0 ms  own lag p99 0 ms"
    )


async def test_a_load_is_followed_on_one_line_of_a_terminal(tmp_path: Path) -> None:
    """It renews itself each second, narrow as the terminal may be; the report comes below it."""
    write_wav(tmp_path / "short.wav", tone(0.5, 16_000), 16_000)

    async def script(line: Line) -> None:
        await line.open()
        for turn in range(1, 100):
            wanted = len(line.audio) + 19_200
            while len(line.audio) < wanted:
                await asyncio.sleep(0.01)
            await line.say("speech_started", start_ms=0)
            text = {"utterance": turn, "text": "Good.", "start_ms": 0, "end_ms": 400}
            await line.say("final", **text, language="en", confidence=0.9)
            await line.say("turn_started", turn=turn, text="Good.")
            await line.reply(turn, "Hello.", tone(0.1, line.rate_hz))

    async with edge(script) as running:
        words = ["load", "--sessions", "1", "--for", "6", "--ramp", "0", "--url", running.url]
        words += ["--recordings", str(tmp_path)]
        with Terminal([VOICEBUS, *words], os.environ, LINES, COLUMNS) as terminal:
            await until(lambda: terminal.told.count("turns  errors 0  last 10 s") >= 3, WITHIN_S)
            shown = terminal.screen()
            await until(lambda: "errors     none" in terminal.told, WITHIN_S)
            terminal.wait(WITHIN_S)
            end = terminal.screen()

    assert len(shown) == 1, "the line is renewed, and not written anew"
    assert len(shown[0]) == COLUMNS - 1
    moments = [MOMENT.match(part) for part in terminal.told.split("\r\x1b[K")[1:]]
    assert all(moments)
    found = [[int(number) for number in one.groups()] for one in moments if one]
    assert [at_s for at_s, _, _ in found] == sorted({at_s for at_s, _, _ in found})
    assert found[-1][1] >= 1
    assert found[-1][2] > 0
    assert MOMENT.match(end[0])
    assert end[1].startswith("1 sessions opened, 1 at once, profile talk, 6 s")


async def test_top_renews_itself_on_a_terminal(nats_server: str) -> None:
    """One table at a time, cut to the terminal; what changes is seen, and Ctrl-C is a good end."""
    place, work = new_place(), Work()
    environ = {**os.environ, "VOICEBUS_NATS_URL": nats_server, "VOICEBUS_CELL": place.cell}
    columns = 38

    def shows(pattern: str) -> bool:
        return any(re.match(pattern, line) for line in terminal.screen())

    async with bus_in(nats_server, place.cell) as bus:
        with Terminal([VOICEBUS, "top", "--every", "0.2"], environ, LINES, columns) as terminal:
            async with worker_in(nats_server, place.cell, role(slots=1), work):
                await until(lambda: shows(r"llm +a +toy +ready +0/1"), WITHIN_S)
                await ask(bus, place)
                await until(lambda: shows(r"llm +a +toy +ready +1/1"), WITHIN_S)
                await until(lambda: shows(r"llm +0 +1 +1 +100%"), WITHIN_S)
                table = terminal.screen()
                work.go.set()
                await until(lambda: shows(r"llm +a +toy +ready +0/1"), WITHIN_S)
            await until(lambda: not shows(r"llm +a "), WITHIN_S)
            terminal.interrupt()
            code = terminal.wait(WITHIN_S)

    assert code == 0
    assert "Traceback" not in terminal.told
    assert table[0] == f"cell {place.cell}: 1 processes, 1 sessions"[:columns]
    assert [line.split()[0] for line in table if line[:1].isupper()] == [
        *("STAGE", "JOBS", "STREAM"),
        *[line.split()[0] for line in table if re.match(r"[A-Z_a-z]+ +\d+ +\d+(\.\d)? k?B", line)],
        "SESSION",
    ]
    assert max(map(len, table)) <= columns
    assert any(line.startswith(place.session[:columns]) for line in table)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("one\r\x1b[Kt", ["t"]),
        ("one\r\ntwo\x1b[H\x1b[Jx", ["x"]),
        ("abcdef", ["abcd", "ef"]),
        ("a\r\nb\r\nc\r\nd", ["b", "c", "d"]),
    ],
)
def test_a_screen_is_what_a_terminal_makes_of_it(told: str, shown: list[str]) -> None:
    """Of the tests' own terminal: else the tests above would see what nobody sees."""
    assert screen_of(told, 3, 4) == shown
