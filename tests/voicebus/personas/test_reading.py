"""A persona's file: what it says, and what is wrong with it, by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.persona import Traits
from schemas.settings import EndOfTurn, SessionSettings
from voicebus.errors import ConfigError
from voicebus.personas.reading import read_persona
from voicebus.personas.text import MAX_BYTES, file_text

GOOD = """---
# What is behind a # is for people.
voice: joe
language: no
temperature: 0.3
model: small
end_of_turn:
  policy: eager
---

You are a pirate.

Be brief.
"""


def wrong_with(text: str) -> str:
    """What its author is told."""
    with pytest.raises(ConfigError) as told:
        read_persona(text, "pirate", "pirate.md")
    return str(told.value)


def test_a_file_says_how_sessions_are_and_how_the_model_answers() -> None:
    """The head has settings, the rest are the instructions; ``no`` is Norwegian."""
    traits = read_persona(GOOD, "pirate", "pirate.md")

    assert traits == Traits(
        name="pirate",
        version=traits.version,
        settings=SessionSettings(
            voice="joe",
            language="no",
            end_of_turn=EndOfTurn(policy="eager"),
            instructions="You are a pirate.\n\nBe brief.",
        ),
        model="small",
        temperature=0.3,
    )


def test_a_file_without_a_head_is_all_instructions() -> None:
    """Whoever wants to say nothing else need not."""
    assert read_persona("Be brief.", "x", "x.md").settings.instructions == "Be brief."


@pytest.mark.parametrize("other", ["Be brief!", "Be  brief."])
def test_another_text_is_another_version(other: str) -> None:
    """And the same one is the same, wherever it is read."""
    version = read_persona("Be brief.", "x", "here.md").version

    assert version == read_persona("Be brief.", "y", "there.md").version
    assert version != read_persona(other, "x", "here.md").version


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("voice: joe", "voicee: joe", "pirate.md:3: there is no `voicee` (did you mean `voice`?)"),
        ("policy: eager", "policy: fast", "pirate.md:8: `end_of_turn.policy`: Invalid enum"),
        ("policy: eager", "polcy: eager", "pirate.md:8: there is no `end_of_turn.polcy`"),
        ("temperature: 0.3", "temperature: hot", "pirate.md:5: `temperature`: Expected `float`"),
        ("temperature: 0.3", "temperature: 9", "pirate.md:5: `temperature`: Expected `float` <= 2"),
        ("language: no", "languages: [en, EN]", "pirate.md:4: `languages.1`: Expected `str`"),
        ("language: no", "voice: ann", "pirate.md:4: `voice` stands here twice"),
        ("voice: joe", "voice: [joe", "pirate.md:4: expected ',' or ']'"),
        ("voice: joe", "voice: joe\n bad: 1", "pirate.md:4: mapping values are not allowed here"),
        ("  policy: eager\n", "", "pirate.md:7: `end_of_turn` has values of its own"),
        ("model: small", "persona: x", "pirate.md:6: `persona` cannot stand in the head"),
        ("model: small", "instructions: x", "below the head"),
        ("model: small", "- model", "pirate.md:"),
        ("---\n\nYou", "--\n\nYou", "pirate.md:1: the head begins with --- and no second"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(old: str, new: str, told: str) -> None:
    """An author who reads it knows where to look."""
    assert old in GOOD

    assert told in wrong_with(GOOD.replace(old, new))


def test_a_file_that_is_too_long_is_refused() -> None:
    """It would be told to the model with every turn."""
    assert "at most 8000" in wrong_with("a" * 8_001)
    assert f"at most {MAX_BYTES} bytes" in wrong_with("a" * (MAX_BYTES + 1))


def test_a_head_that_grows_out_of_itself_is_refused() -> None:
    """Its parts name each other again and again."""
    layers = "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(9)
    )

    assert "more than 2000 values" in wrong_with(f"---\n{layers}---\n")


def test_a_head_that_goes_round_in_a_circle_is_refused() -> None:
    """A list that stands within itself."""
    assert "goes round in a circle" in wrong_with("---\nvocabulary: &x [*x]\n---\n")


def test_a_file_that_is_no_text_is_one_with_an_error(tmp_path: Path) -> None:
    """It is told like any other."""
    path = tmp_path / "x.md"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match=r"x\.md: this is no text in UTF-8"):
        file_text(path)
    assert file_text(tmp_path / "y.md") is None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    """Nothing that an author can type does anything else."""
    for whole in (text, f"---\n{text}\n---\nBe brief."):
        try:
            told = read_persona(whole, "x", "x.md").name
        except ConfigError as err:
            told = str(err)
        assert told == "x" or told.startswith("x.md:")
