"""docs/howto/engines.md: its engine is one."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import cast

import pytest

from services.tts.engine import Engine
from tests.services.tts import test_engines as contract
from voicebus.parts import project_root

PAGE = project_root() / "docs" / "howto" / "engines.md"
NOT_OF_MORSE = "test_cancelling_a_running_synthesis_takes_less_than_50_ms"
"""Morse code is made before anybody could change his mind; the page says so."""

CONTRACT = [
    name
    for name, test in vars(contract).items()
    if name.startswith("test_")
    and [*inspect.signature(test).parameters] == ["engine"]
    and name != NOT_OF_MORSE
]


def block() -> str:
    """The engine, as it stands on the page."""
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


@pytest.fixture
def morse() -> Engine:
    """The engine of the page."""
    module = ModuleType("morse")
    exec(compile(block(), str(PAGE), "exec"), module.__dict__)
    return cast("Engine", module.__dict__["MorseEngine"]())


def test_the_example_is_short() -> None:
    """An engine is a page, not a project."""
    assert len(block().splitlines()) < 60


@pytest.mark.parametrize("name", CONTRACT)
async def test_the_example_keeps_to_the_contract(morse: Engine, name: str) -> None:
    """What holds for all voices holds for this one."""
    assert len(CONTRACT) >= 5
    await getattr(contract, name)(morse)
    await morse.close()
