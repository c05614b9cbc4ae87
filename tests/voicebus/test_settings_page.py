"""The page of all settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct

from voicebus import known, settings, settings_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
EVERY = [pytest.param(kind, scope, id=kind.__name__) for kind, scope in known.every_setting()]


def test_the_page_is_up_to_date() -> None:
    """The committed page is what the settings generate; else run `make docs`."""
    assert PAGE.read_text(encoding="utf-8") == settings_page.render()


@pytest.mark.parametrize(("kind", "scope"), EVERY)
def test_every_setting_says_what_it_means(kind: type[Struct], scope: str) -> None:
    """Each field has its sentence in the docstring, and its row on the page."""
    said = settings_page.meanings(kind)

    assert list(said) == list(kind.__struct_fields__)
    page = settings_page.render()
    for field, meaning in said.items():
        assert meaning.endswith((".", "`"))
        assert f"| `{settings.variable(field, scope)}` |" in page


def test_a_meaning_of_several_lines_is_one_sentence() -> None:
    """The page is a table."""

    class Some(Struct):
        """Settings.

        Fields
            first: One that is
                long, ``so``.
            second: Another.
        """

        first: str = ""
        second: int = 0

    assert settings_page.meanings(Some) == {
        "first": "One that is long, `so`.",
        "second": "Another.",
    }


def test_the_page_says_who_reads_what() -> None:
    """Who sets up one process sees which settings concern it."""
    page = settings_page.render()

    assert "## `VOICEBUS_EDGE_WIDGET_…`\n" in page
    assert page.split("## `VOICEBUS_STT_…`")[1].split("\n")[3] == "Read by stt."
