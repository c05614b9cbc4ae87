"""Where personas are found, and that one with an error changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from subjects.kept import persona_subject
from subjects.tokens import new_token
from tests.workers import bus_in
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.errors import PersonaUnknown
from voicebus.personas import shelf
from voicebus.personas.library import Library

BROKEN = "---\nvoicee: joe\n---\nBe loud."


@pytest.fixture
async def bus(nats_server: str) -> AsyncIterator[Bus]:
    """A connection in a cell of its own."""
    async with bus_in(nats_server, new_token("c")) as bus:
        yield bus


async def says(library: Library, bus: Bus, name: str = "shop") -> str:
    """A persona's instructions."""
    return (await library.find(bus, name)).settings.instructions


async def test_a_changed_file_counts_from_the_next_session_on(bus: Bus, tmp_path: Path) -> None:
    """Nobody restarts anything."""
    library = Library(tmp_path)
    (tmp_path / "shop.md").write_text("Be brief.")
    before = await says(library, bus)
    (tmp_path / "shop.md").write_text("Be kind.")

    assert [before, await says(library, bus)] == ["Be brief.", "Be kind."]


async def test_a_version_with_an_error_changes_nothing(bus: Bus, tmp_path: Path) -> None:
    """The last good one stays in use, others are none the wiser, and it is counted once."""
    library = Library(tmp_path)
    (tmp_path / "shop.md").write_text("Be brief.")
    (tmp_path / "bank.md").write_text("Be exact.")
    await says(library, bus)
    counted = metrics.PERSONAS_REFUSED._value.get()
    (tmp_path / "shop.md").write_text(BROKEN)

    assert [await says(library, bus) for _ in range(3)] == ["Be brief."] * 3
    assert await says(library, bus, "bank") == "Be exact."
    assert metrics.PERSONAS_REFUSED._value.get() == counted + 1
    (tmp_path / "shop.md").write_text("Be kind.")
    assert await says(library, bus) == "Be kind."


async def test_the_folder_goes_before_the_bucket(bus: Bus, tmp_path: Path) -> None:
    """What is not in the folder is looked for on the bus."""
    library = Library(tmp_path)
    (tmp_path / "shop.md").write_text("Be brief.")
    for name in ("shop", "bank"):
        await shelf.put(bus, name, "From the bucket.")

    assert await says(library, bus) == "Be brief."
    assert await says(library, bus, "bank") == "From the bucket."


async def test_the_bucket_is_read_anew_for_each_session(bus: Bus) -> None:
    """A version with an error that came past the check changes nothing, either."""
    library = Library()
    await shelf.put(bus, "shop", "Be brief.")
    said = [await says(library, bus)]
    for text in (BROKEN, "Be kind."):
        await shelf.put(bus, "shop", text)
        said.append(await says(library, bus))

    assert said == ["Be brief.", "Be brief.", "Be kind."]


async def test_a_new_worker_finds_the_last_good_version_in_the_bucket(bus: Bus) -> None:
    """It has never seen it in use."""
    for text in ("Be brief.", "Be kind.", BROKEN):
        await shelf.put(bus, "shop", text)

    assert await says(Library(), bus) == "Be kind."


async def test_what_nats_itself_puts_into_the_bucket_is_a_persona(bus: Bus) -> None:
    """``nats kv put personas CELL.NAME "$(cat NAME.md)"`` is good enough."""
    await bus.request(persona_subject(bus.cell, "shop"), b"Be brief.")

    assert await says(Library(), bus) == "Be brief."


@pytest.mark.parametrize("name", ["nobody", "removed", "broken", "no.name", "*", ">"])
async def test_who_is_not_there_is_told_so(bus: Bus, name: str) -> None:
    """Nobody answers in the place of another."""
    await shelf.put(bus, "removed", "Be brief.")
    await shelf.put(bus, "removed", "")
    await shelf.put(bus, "broken", BROKEN)

    with pytest.raises(PersonaUnknown, match="persona"):
        await Library().find(bus, name)
