from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicebus.sentences import Splitter, SplitterSettings

SETTINGS = SplitterSettings()
FIRST = "Here is what I know about it! "

# Mostly what decides cuts, so that the cases in which marks meet are met.
fragments = st.one_of(
    st.sampled_from(
        [
            *[".", ",", "!", "?", ";", ":", "—", "…", "...", "。", "，", "\n", "-", "*"],
            *['"', ")", "(", "'", "3", "3.5", "1,000", "29.", "1.", "a", "I"],
            *["e.g.", "Dr.", "U.S.", "p.m.", "etc.", "https://a.b/c?d=1.", "a.b@c.org", "and"],
            *["\n\n", " ", "  ", "\t", "\u00a0", "Hello", "word", "the", "Ünïcode", "x" * 130],
        ]
    ),
    st.text(max_size=12),
)
texts = st.lists(st.tuples(fragments, st.sampled_from(["", " "])), max_size=60).map(
    lambda parts: "".join(part + space for part, space in parts)
)


def pieces_of(*tokens: str, settings: SplitterSettings = SETTINGS) -> list[str]:
    """All pieces of a reply that comes in these tokens."""
    splitter = Splitter(settings)
    pieces = [piece for token in tokens for piece in splitter.push(token)]
    return [*pieces, *splitter.finish()]


def behind_the_first(text: str) -> list[str]:
    """The pieces behind a first one that is out of the way."""
    first, *others = pieces_of(FIRST + text)
    assert first == FIRST.strip()
    return others


@given(texts, st.data())
def test_the_pieces_do_not_depend_on_the_tokens(text: str, data: st.DataObject) -> None:
    """However a text is cut into tokens, the pieces are the same."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=30)))
    bounds = [0, *cuts, len(text)]
    tokens = [text[begin:end] for begin, end in pairwise(bounds)]

    assert pieces_of(*tokens) == pieces_of(text) == pieces_of(*text)


@given(texts)
@example(". . . " * 4 + "x" * 400 + " 0\r0 " + "x" * 400)
def test_no_visible_character_is_lost_or_moved(text: str) -> None:
    """Joined and without whitespace the pieces are the text."""
    assert "".join("".join(pieces_of(text)).split()) == "".join(text.split())


@given(texts)
def test_no_piece_is_blank_or_too_long(text: str) -> None:
    """Each piece can be handed to a voice as it is."""
    for piece in pieces_of(text):
        assert piece == piece.strip() != ""
        assert len(piece) <= SETTINGS.max_chars
        assert "\n" not in piece


@given(texts)
@example("0000000000。.,")
def test_a_piece_ends_at_whitespace_or_a_mark_unless_it_is_as_long_as_can_be(text: str) -> None:
    """No word, number or address is cut, whatever the text is. Marks that follow each other belong
    together, and the first one counts.
    """
    rest = text
    pieces = pieces_of(text)
    for piece in pieces[:-1]:
        rest = rest.lstrip()[len(piece) :]
        assert (
            rest[:1].isspace()
            or piece.rstrip(".!?…")[-1:] in tuple("。！？—，、；：\"'”’»)]}*_`")
            or len(piece) == SETTINGS.max_chars
        )


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Well, I think so, and he does.", ["Well, I think so,", "and he does."]),
        ("Yes. It is a big city, I know.", ["Yes. It is a big city,", "I know."]),
        ("Good morning! How are you?", ["Good morning!", "How are you?"]),
        ("I like it — a lot of it.", ["I like it — a lot of it."]),
        ("I like it so — a lot of it.", ["I like it so —", "a lot of it."]),
        (
            "The capital of France is the city of Paris which lies there.",
            ["The capital of France is the city of Paris", "which lies there."],
        ),
        ("one two three four five six and eight", ["one two three four five six", "and eight"]),
        (
            "one two three four five six seven eight nine ten eleven",
            ["one two three four five six seven eight nine ten", "eleven"],
        ),
        (
            "The one that I saw there was Dr. and Mrs.",
            ["The one that I saw there", "was Dr. and Mrs."],
        ),
        ("No.", ["No."]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_the_first_piece_is_a_short_clause(text: str, pieces: list[str]) -> None:
    """It ends at the first mark behind 12 characters, or at a new phrase behind 6 words."""
    assert pieces_of(text) == pieces


@pytest.mark.parametrize(
    "sentence",
    [
        "It costs $29.95 or 1,000 yen at 10:30 today.",
        "That was Dr. Smith and Mr. J. R. Jones of the U.S. Navy.",
        "Fruits, e.g. apples, i.e. Pippins, vs. No. 5 pears.",
        "See https://example.org/a,b;c?d=1.5!x or write to a.b@example.org today.",
        "Well... maybe not so soon… perhaps later.",
        "Version 3.11.7, file a.txt, node.js and 192.168.0.1 are words.",
        'He called it "odd." and went away.',
        "It is 5 p.m. in London now.",
        "On the 29. of May it was cold.",
        "They came, they saw; they went: all of them.",
    ],
)
def test_a_short_sentence_stays_whole(sentence: str) -> None:
    """Marks inside numbers, names, addresses, ellipses and short sentences cut nothing."""
    assert behind_the_first(sentence + " And then came this.") == [sentence, "And then came this."]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("It begins at 5 p.m. We should go.", ["It begins at 5 p.m.", "We should go."]),
        ('"Really, is it?" She asked. (It is.)', ['"Really, is it?"', "She asked. (It is.)"]),
        ("Is that so?! I thought so.", ["Is that so?!", "I thought so."]),
        ("It costs $29. That is a lot.", ["It costs $29.", "That is a lot."]),
        ("This goes on... Then it ends.", ["This goes on...", "Then it ends."]),
        (
            "今天天气很好我们出去走走吧。再见，朋友们。",
            ["今天天气很好我们出去走走吧。", "再见，朋友们。"],
        ),
        ("Buy:\n1. Apples\n2. Pears\n- Nuts", ["Buy:", "1. Apples", "2. Pears", "- Nuts"]),
    ],
)
def test_sentences_and_lines_end_pieces(text: str, pieces: list[str]) -> None:
    """Behind the first piece, sentences are spoken whole and each line by itself."""
    assert behind_the_first(text) == pieces


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    """A sentence over 120 characters gives its first clauses away before it has ended."""
    clause = "this clause of the sentence has about fifty letters, "
    splitter = Splitter(SETTINGS)
    splitter.push(FIRST)

    pieces = splitter.push(clause * 3)

    assert pieces == ((clause * 2).strip(),)


def test_words_without_any_mark_are_cut_between_words() -> None:
    """A text that never pauses is cut in front of the word that would be too much."""
    pieces = behind_the_first("word " * 200)

    assert [piece.split() for piece in pieces] == [["word"] * 50] * 4


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("Well, all right,", ()),
        ("Well, all right, ", ("Well, all right,",)),
        ("It is 12 o'clock.", ()),
        ("It is 12 o'clock. ", ()),
        ("It is 12 o'clock. I", ("It is 12 o'clock.",)),
        ("Good morning!", ()),
        ("Good morning! ", ("Good morning!",)),
        ("Good morning\n", ("Good morning",)),
        ("one two three four five six an", ()),
        ("one two three four five six and ", ("one two three four five six",)),
    ],
)
def test_a_piece_comes_as_soon_as_its_end_is_certain(text: str, ready: tuple[str, ...]) -> None:
    """One character behind the mark, behind a full stop one visible character, is enough."""
    assert Splitter(SETTINGS).push(text) == ready


def test_a_very_long_reply_is_split_in_linear_time() -> None:
    """Ten times the reply takes about ten times as long: the event loop is not held for long."""

    def seconds(sentences: int) -> float:
        begun_s = time.process_time()
        assert len(pieces_of("This is one of very many sentences. " * sentences)) == sentences
        return time.process_time() - begun_s

    # Others at work only make a time longer. In quadratic time it would be a hundred times as much.
    times = [(seconds(3_000), seconds(30_000)) for _ in range(3)]
    shorter, longer = map(min, zip(*times, strict=True))
    assert longer < 30 * shorter
