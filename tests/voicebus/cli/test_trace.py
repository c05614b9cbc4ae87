"""``voicebus trace``: a past turn's waterfall, in the terminal and as a page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from schemas.event import Event
from schemas.llm import ClauseReady
from schemas.session import SessionOpened, UserText
from schemas.tts import ReplyChunk
from schemas.turn import TurnEnded, TurnStarted
from subjects.catalog import Place
from tests.workers import bus_in, new_place
from voicebus.cli.main import main

SAID: list[Event] = [
    SessionOpened(client="websocket"),
    *(
        event
        for turn in (1, 2)
        for event in (
            UserText(text=f"question {turn}", seq=turn),
            TurnStarted(turn=turn, text=f"question {turn}", typed=True, control=turn),
            ClauseReady(turn=turn, text="Answer."),
            ReplyChunk(turn=turn, pcm=b"\1\0", rate_hz=24_000, offset=0),
            TurnEnded(turn=turn, outcome="completed", reply="\x1b[2JAnswer.", heard_ms=900),
        )
    ),
]


@pytest.fixture
def place(nats_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A recorded session, on the bus that the settings name."""
    place = new_place()

    async def record() -> None:
        async with bus_in(nats_server, place.cell) as bus:
            for event in SAID:
                await bus.store(event, place)

    asyncio.run(record())
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)
    monkeypatch.setenv("VOICEBUS_CELL", place.cell)
    return place


def test_every_turn_is_shown_or_the_one_that_is_named(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its words, its stages and what happened."""
    assert main(["trace", "last"]) == 0
    every = capsys.readouterr().out
    assert main(["trace", place.session, "2"]) == 0
    second = capsys.readouterr().out

    assert "question 1" in every
    assert "question 2" in every
    assert "< \\u001b[2JAnswer." in every
    assert "question 1" not in second
    assert "turn 2  completed" in second
    assert "total" in second
    assert "completed, 0.90 s heard" in second


def test_it_is_written_as_a_page_and_as_json(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For people, and for programs."""
    page = tmp_path / "turn.html"

    assert main(["trace", place.session, "1", "--html", str(page)]) == 0
    assert "question 1" in page.read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["trace", place.session, "--json"]) == 0
    assert [turn["turn"] for turn in json.loads(capsys.readouterr().out)] == [1, 2]


@pytest.mark.parametrize("arguments", [["s-unknown"], ["last", "7"], ["not a session"]])
def test_what_is_not_there_is_said(
    place: Place, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with an exit code."""
    assert main(["trace", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
