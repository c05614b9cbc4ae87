from __future__ import annotations

import pytest

from benchmarks import conversation, conversation_figures
from benchmarks.dialogues import Maker
from benchmarks.judge import MoveRow
from benchmarks.lines import OURS
from benchmarks.report import Report, table
from tests.benchmarks.scripted_server import Server, server
from tests.benchmarks.speech import sentence
from voicebus.cli.main import main


def test_the_command_is_registered(capsys: pytest.CaptureFixture[str]) -> None:
    """One command runs it."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "conversation", "--help"])

    assert ended.value.code == 0
    assert "--peer" in capsys.readouterr().out


def test_recordings_that_are_missing_end_it(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    """Without anything to say the run ends at once, and says what to install."""
    assert conversation.main(["--quick", "--root", str(tmp_path)]) == 2
    assert "apt-get install" in capsys.readouterr().err


async def test_dialogues_are_held_with_all_systems_by_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every dialogue meets every system; a system that fails costs its own rows only."""
    maker = Maker([sentence(600)], [sentence(200)], 1)
    dialogues = tuple(maker._alone(n + 1, maker._complete()) for n in range(2))
    args = conversation._arguments(["--quick"])
    asked: list[str] = []
    monkeypatch.setattr(conversation, "_PAUSE_S", 0.0)

    async def before() -> None:
        asked.append("warm")

    async def answering(other: Server) -> None:
        await other.pause(200)
        await other.reply(1, ["hello", "you"])

    async with server(answering) as url:
        systems = {
            "ours": conversation.System(url, OURS),
            "pipecat_best": conversation.System("ws://127.0.0.1:1/ws", frozenset()),
        }
        found = await conversation._hold_all(args, dialogues, systems, before)

    ours = [row for row in found if row.system == "ours"]
    assert len(asked) == 8
    assert [row.dialogue for row in ours] == [d.name for d in dialogues]
    assert all(row.response_ms is not None for row in ours)
    assert all(row.error for row in found if row.system == "pipecat_best")


def test_the_table_shows_which_way_a_bar_points() -> None:
    """Heard text must be at least exact, latency at most its limit."""
    measured = {"heard_exact_ratio": 0.5, "response_p50_ms": 500.0}
    rows = [MoveRow(system="ours", dialogue="d", place=0, kind="complete", recordings=())]
    shown = table(
        Report(
            command="voicebus bench conversation",
            date="",
            machine={},
            versions={},
            seed=1,
            figures=measured,
            bars=conversation_figures.bars(measured),
            void=[],
            turns=rows,
        )
    )

    exact, response = shown.splitlines()
    assert exact.endswith(">= 1: DOES NOT HOLD")
    assert response.endswith("<= 600: holds")
