"""Every block of docs/howto is run as it stands there, against a system with real models."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.npm import Node
from tests.system import System

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]

ROOT: Final = Path(__file__).parents[2]
HOWTO: Final = ROOT / "docs" / "howto"
LIMIT_S: Final = 90
_BLOCK = re.compile(
    r"(?:^<!-- shows: ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
SETTINGS: Final = {"ini", "toml", "xml", "html", "http"}
"""Blocks that configure another program: the tests of that program read them."""

WALKED: Final = {"personas", "tools"}
"""Pages about more than the API: tests/e2e/test_personas.py and test_tools.py walk them."""

ELSEWHERE: Final = {("telephony", "python"), ("engines", "python")}
"""Blocks that need more than the API, or none of it: tests/e2e/test_telephony_calls.py and
tests/services/tts/test_howto.py run them."""


@dataclass(frozen=True)
class Block:
    """A fenced block, and the pattern that is found in what it writes."""

    page: str
    number: int
    language: str
    text: str
    shows: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}-{self.language}"


def blocks() -> Iterator[Block]:
    """All blocks of all pages that are to be run."""
    for page in sorted(page for page in HOWTO.glob("*.md") if page.stem not in WALKED):
        found = _BLOCK.findall(page.read_text(encoding="utf-8"))
        for number, (shows, language, text) in enumerate(found, 1):
            if language not in SETTINGS and (page.stem, language) not in ELSEWHERE:
                yield Block(page.stem, number, language, text, shows)


def chosen(*languages: str) -> list[Block]:
    """The blocks in some languages."""
    return [block for block in blocks() if block.language in languages]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to run them in, with the samples where they are in the project's."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def test_every_block_is_run() -> None:
    """None is in a language that nobody runs, or without a word on what it shows."""
    found = list(blocks())

    assert len(found) > 10
    assert {block.language for block in found} == {"sh", "python", "javascript"}
    assert [str(block) for block in found if not block.shows] == []


@pytest.mark.parametrize("block", chosen("sh", "python"), ids=str)
async def test_a_command(block: Block, real_system: System, folder: Path) -> None:
    """It succeeds, and shows what the page says."""
    script = folder / "script"
    script.write_text(_addressed(block, real_system), encoding="utf-8")
    if block.language == "sh" and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    program = [sys.executable] if block.language == "python" else ["bash", "-euo", "pipefail"]
    process = await asyncio.create_subprocess_exec(
        *program,
        str(script),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            told, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0, errors.decode()
    assert re.search(block.shows, told.decode(), re.MULTILINE), told.decode()


@pytest.mark.network
@pytest.mark.parametrize("block", chosen("javascript"), ids=str)
async def test_a_script_for_node(
    block: Block, real_system: System, node: Node, folder: Path
) -> None:
    """It succeeds, and shows what the page says."""
    script = folder / "script.mjs"
    script.write_text(_addressed(block, real_system), encoding="utf-8")
    told = await node.run(script, cwd=folder)

    assert re.search(block.shows, told, re.MULTILINE), told


def _addressed(block: Block, system: System) -> str:
    """The block with the address of a running system, whose edge wants no key."""
    assert "http://127.0.0.1:8080/v1" in block.text
    text = block.text.replace("http://127.0.0.1:8080", system.root)
    return text.replace("vb_…", "none")
