"""Text of others in somebody's terminal."""

from __future__ import annotations

import pytest

from voicebus.cli.show import harmless, wrapped


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2J\x1b]52;c;cm0=\x07", "\\u001b[2J\\u001b]52;c;cm0=\\u0007"),
        ("one\rtwo\b\x7f", "one\\u000dtwo\\u0008\\u007f"),
        ("\x9b2J", "\\u009b2J"),
        ("ab\u202edc\u2066", "ab\\u202edc\\u2066"),
        ("Что?\tDas\nist — schön 😀", "Что?\tDas\nist — schön 😀"),
    ],
)
def test_nothing_that_is_said_steers_a_terminal(said: str, shown: str) -> None:
    """It is seen instead; letters of all languages, tabs and ends of lines are as they were."""
    assert harmless(said) == shown


def test_a_paragraph_is_wrapped_with_its_lines_indented() -> None:
    """All but the first."""
    assert wrapped("> one two three", 2, columns=9) == "> one two\n  three"
