"""Who answers, in a whole system, and docs/howto/personas.md: what stands there works."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.client import Client, connected
from tests.e2e.upstream import LanguageModel
from tests.models import model_path
from tests.system import SYNTHETIC, System
from voicebus.parts import project_root

pytestmark = pytest.mark.model

PAGE = (project_root() / "docs" / "howto" / "personas.md").read_text(encoding="utf-8")
BLOCK = r"```\w+\n((?:(?!```)[^\n]*\n)*)```$"
FILE = re.compile(r"^(?:`(\S+)`[:,][^\n]*\n\n|<!-- file: (\S+) -->\n)" + BLOCK, re.M)
COMMAND = re.compile(r"((?:^<!-- (?:shows|exits)[^\n]+ -->\n)+)" + BLOCK, re.M)
GUIDE = "---\nsummaries: on\n---\nYou are a guide."
JUDGE = "---\nlanguage: ru\nspeed: 1.5\n---\nYou are a judge."


@dataclass(frozen=True)
class Command:
    """A command of the page, and what it is to show."""

    notes: str
    text: str

    @property
    def shows(self) -> list[str]:
        """Patterns that are found in what it prints."""
        return re.findall(r"shows: (.+?) -->", self.notes)

    @property
    def exits(self) -> int:
        """Its exit code."""
        return 1 if "exits: 1" in self.notes else 0


COMMANDS = [Command(*found) for found in COMMAND.findall(PAGE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of the page lie, and a persona beside them that is not on it."""
    folder = tmp_path_factory.mktemp("personas")
    for first, second, text in FILE.findall(PAGE):
        path = folder / (first or second)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "personas" / "judge.md").write_text(JUDGE)
    (folder / "personas" / "guide.md").write_text(GUIDE)
    return folder


@pytest.fixture(scope="module")
def system(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[System]:
    """Synthetic ears and voice, and a language model that notes what it is told."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "LLM_ENGINE": "openai",
        "LLM_URL": language_model.url,
        "TURN_PERSONAS_DIR": str(folder / "personas"),
        "TURN_HISTORY_CHARS": "300",
        "EDGE_PERSONA": "tea",
    }
    with System(tmp_path_factory.mktemp("talking"), settings) as system:
        yield system


async def turn(client: Client, text: str) -> str:
    """Type a turn; return what is answered."""
    count = len(client.messages("turn_ended")) + 1
    await client.send("text", text=text)
    ended = await client.until("turn_ended", count=count)
    assert ended["outcome"] == "completed"
    return str(client.messages("reply_done", turn=ended["turn"])[0]["text"])


def test_the_page_has_files_and_commands(folder: Path) -> None:
    """Or nothing of it would be tested."""
    assert {"tea.md", "tea.faq.csv"} <= {path.name for path in (folder / "personas").iterdir()}
    assert len(COMMANDS) == 6


def test_the_commands_of_the_page_show_what_it_says(system: System, folder: Path) -> None:
    """One after the other, in the folder that it describes."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        done = subprocess.run(
            ["bash", "-c", command.text],
            cwd=folder,
            env={**system.environment(), "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        printed = done.stdout + done.stderr
        assert done.returncode == command.exits, printed
        for pattern in command.shows:
            assert re.search(pattern, printed, re.M), printed


async def test_the_persona_of_the_edge_greets_and_answers_at_once(
    system: System, language_model: LanguageModel
) -> None:
    """What everybody asks is spoken without a language model; the rest is asked of it."""
    async with connected(system, {}) as client:
        greeted = await client.until("turn_ended")
        asked = len(language_model.asked)
        answer = await turn(client, "what are your openning hours")
        audio = client.messages("audio_complete", turn=2)[0]["audio_seconds"]
        unasked = len(language_model.asked) - asked
        await turn(client, "and tomorrow?")

    assert client.messages("turn_started", turn=greeted["turn"])[0]["said"].startswith("Good day")
    assert answer == "At nine, every day but Sunday."
    assert audio > 0
    assert unasked == 0
    told = [message["content"] for message in language_model.asked[-1]]
    assert told[0].startswith("You are the friendly voice of a tea shop.")
    assert told[1:] == ["what are your openning hours", answer, "and tomorrow?"]
    assert client.messages("latency", turn=2)


async def test_russian_is_answered_in_russian(system: System) -> None:
    """By the same persona, in the same session."""
    async with connected(system, {}) as client:
        await client.until("turn_ended")
        answers = [
            await turn(client, "when do you open"),
            await turn(client, "во сколько вы открываетесь"),
        ]

    assert answers == ["At nine, every day but Sunday.", "В девять, кроме воскресенья."]


async def test_another_persona_goes_on_with_the_conversation(
    system: System, language_model: LanguageModel
) -> None:
    """It knows what was said, and is somebody else from its first word on."""
    async with connected(system, {"conversation": "new"}) as client:
        await client.until("turn_ended")
        await turn(client, "when do you open")
        conversation = client.messages("metadata")[0]["conversation_id"]
    start = {"conversation": conversation, "persona": "judge"}
    async with connected(system, start) as client:
        await turn(client, "is that fair?")

    told = [message["content"] for message in language_model.asked[-1]]
    assert told[0].startswith("You are a judge.")
    assert told[-3:] == ["when do you open", "At nine, every day but Sunday.", "is that fair?"]


async def test_a_changed_file_counts_for_the_next_session(
    system: System, folder: Path, language_model: LanguageModel
) -> None:
    """Not for the one that runs, and not while it has an error."""
    path = folder / "personas" / "judge.md"
    async with connected(system, {"persona": "judge"}) as running:
        await turn(running, "one")
        path.write_text(JUDGE.replace("a judge", "a jury"))
        await turn(running, "two")
        before = language_model.asked[-1][0]["content"]
    seen = []
    for text in (path.read_text(), "---\nvoicee: x\n---\n", JUDGE):
        path.write_text(text)
        async with connected(system, {"persona": "judge"}) as client:
            await turn(client, "three")
        seen.append(language_model.asked[-1][0]["content"])

    assert before == "You are a judge."
    assert seen == ["You are a jury.", "You are a jury.", "You are a judge."]
    assert "judge.md:2: there is no `voicee`" in system.processes["turn"].log


async def test_a_long_conversation_is_kept_in_short(
    system: System, language_model: LanguageModel
) -> None:
    """What the chat has no room for is told by the model itself, and nobody waits for that."""
    async with connected(system, {"persona": "guide"}) as client:
        for text in ("I have a dog called Argos", "we come by train", "on the ninth of June"):
            await turn(client, f"{text}, and we want to see the old town")
        async with asyncio.timeout(20):
            while not (notes := [a for a in language_model.asked if "notes" in a[0]["content"]]):
                await asyncio.sleep(0.02)
        head = ""
        while "Argos" not in head:
            await turn(client, "and now?")
            head = language_model.asked[-1][0]["content"]

    assert "User: I have a dog called Argos," in notes[0][1]["content"]
    assert head.startswith("You are a guide.\n\nWhat was said before, in short")
    assert not any("Argos" in said["content"] for said in language_model.asked[-1][1:])
    assert client.messages("error") == []


async def test_a_persona_that_is_not_there_is_refused(system: System) -> None:
    """With a clear error, and nobody else notices."""
    async with connected(system) as client:
        await client.send("start", persona="nobody")
        await client.until_closed()

    assert client.messages("error")[0]["code"] == "persona_unknown"
    assert "'nobody'" in client.messages("error")[0]["message"]
