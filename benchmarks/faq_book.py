"""A book of instant answers as large as none is, and how people ask what stands in it. Pure."""

from __future__ import annotations

import random
from typing import Final

from voicebus.errors import ConfigError

ANSWERS: Final = (
    "Yes, within thirty days.",
    "No, I am sorry.",
    "Yes, for a small charge.",
    "Only on weekdays.",
    "That depends on its size.",
    "Yes, free of charge.",
    "Not before next month.",
    "Yes, at any of our shops.",
)
"""Whose answer is the right one, is heard: questions that are next to each other have others."""

_DEEDS: Final = (
    *("return", "polish", "exchange", "cancel", "insure", "deliver", "measure", "borrow"),
    *("upgrade", "varnish", "assemble", "shorten", "transport", "laminate", "heighten"),
    *("whitewash", "garnish", "overhaul"),
)
_KINDS: Final = (
    *("wooden", "silver", "golden", "purple", "yellow", "crimson", "folding", "striped"),
    *("antique", "painted", "leather", "modern", "hollow", "narrow", "knitted", "bronze"),
    *("double", "electric"),
)
_THINGS: Final = (
    *("kettle", "lantern", "carpet", "mirror", "hammer", "bottle", "ladder", "blanket"),
    *("pillow", "wardrobe", "cupboard", "shutter", "fountain", "umbrella", "trolley"),
    *("necklace", "doorbell", "invitation"),
)
_PLACES: Final = (
    *("Bergen", "Lisbon", "Naples", "Prague", "Vienna", "Zurich", "Dublin", "Krakow"),
    *("Geneva", "Munich", "Oxford", "Seville", "Tallinn", "Utrecht", "Warsaw", "Athens"),
    *("Rotterdam", "Florence"),
)
_WORDS: Final = (_DEEDS, _KINDS, _THINGS, _PLACES)
MOST: Final = len(_DEEDS) * len(_KINDS) * len(_THINGS) * len(_PLACES)

_HEAD: Final = 2
"""So many letters at the head of a word nobody gets wrong: those the search relies on."""


def question(number: int) -> str:
    """Return a question of the book.

    It has no word of its own: each stands in thousands of others, and it is their meeting in one
    question that has to be found.
    """
    words = []
    for of_kind in _WORDS:
        number, place = divmod(number, len(of_kind))
        words.append(of_kind[place])
    return "Can I {} the {} {} from {}?".format(*words)


def questions(count: int) -> list[str]:
    """Return so many questions, no two of them the same.

    Raises:
        ConfigError: There are not as many.
    """
    if not 0 < count <= MOST:
        raise ConfigError(f"--questions {count}: at least 1, and at most {MOST}")
    return [question(number) for number in range(count)]


def answer(number: int) -> str:
    """Return the answer to a question."""
    return ANSWERS[number % len(ANSWERS)]


def slipped(asked: str, chance: random.Random) -> str:
    """Return a question with a letter of one of its words wrong or missing, as it is recognised.

    In one of two there are small words in front, too.
    """
    words = asked.removesuffix("?").split(" ")
    at = chance.choice([at for at, word in enumerate(words) if len(word) > len("from")])
    word = words[at]
    letter = chance.randrange(_HEAD, len(word))
    words[at] = word[:letter] + chance.choice(("", "q")) + word[letter + 1 :]
    told = " ".join(words) + "?"
    return chance.choice((told, "And so " + told))


def csv(book: list[str]) -> str:
    """Return the book as a file has it."""
    lines = (f'{asked},"{answer(number)}"\n' for number, asked in enumerate(book))
    return "question,answer\n" + "".join(lines)
