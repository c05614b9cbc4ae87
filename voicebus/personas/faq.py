"""Instant answers: the question that was asked, found among many. See ADR 49.

Three ways, the cheaper first: to the letter, as it sounds, and nearly as it sounds. The last one
errs on the side of silence: a wrong answer is worse than one that the language model has to give.
So each word that matters must have its like on the other side, and those words are what the book is
searched by: 100,000 questions are searched as fast as a hundred.
"""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Literal

from msgspec import Struct
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA

from voicebus.personas.pairs import Pair
from voicebus.personas.words import heavy, normalised, weighty

LEAST: Final = 85.0
"""Of 100: how alike two questions must be at least."""

_AT_A_TIME: Final = 50
"""Questions that are read before others get to run: half a millisecond."""

_CANDIDATES: Final = 500
"""So many questions that share their words are compared: more are not told apart by them."""

_MOST_HAVING: Final = 20_000
"""A question all of whose words are in more questions than that is none in particular."""

_LIKES: Final = 20
"""Of words of one length, so many may be what was said."""

_SHORTEST: Final = 8
"""Shorter questions are too much like others."""

_LETTERS_PER_SLIP: Final = 5
"""A word of so many may have one letter wrong, of twice as many two."""

_HEAD: Final = 2
"""So many letters at the head of a word are never wrong: there, two of them turn its sense around
(activate and deactivate, включить and выключить)."""


class Match(Struct, frozen=True):
    """A question that was found.

    Fields
        answer: Its answer.
        question: As it stands in the book.
        how: ``exact``, ``normalised`` or ``fuzzy``.
        score: Of 100: how alike they are.
    """

    answer: str
    question: str
    how: Literal["exact", "normalised", "fuzzy"]
    score: float = 100.0


class Faq:
    """A book of questions and answers. To make one of many takes seconds: other threads run on.

    Args:
        pairs: Its questions; of two that sound alike the first one counts.
        least: How alike two questions must be, of 100, more than 0; above 100: they must sound the
            same.
    """

    def __init__(self, pairs: Iterable[Pair], least: float = LEAST) -> None:
        self._least = least
        self._sounds: dict[str, int] = {}
        self._pairs: list[Pair] = []
        self._texts: list[str] = []
        self._longest = 0
        self._index = _Index()
        for batch in _batches(pairs):
            for pair in batch:
                self._add(pair)
            time.sleep(0)  # who waits for the interpreter gets it

    def __len__(self) -> int:
        return len(self._pairs)

    def find(self, asked: str) -> Match | None:
        """Return the answer to a question; None where none is certain enough."""
        text = normalised(asked)
        at = self._sounds.get(text)
        if at is not None:
            pair = self._pairs[at]
            return self._match(at, "exact" if pair.question == asked.strip() else "normalised")
        # As alike as that are two texts only if their lengths are: who tells a story asks none.
        longest = self._longest * (200 / self._least - 1)
        if self._least > 100 or not _SHORTEST <= len(text) <= longest:
            return None
        return self._nearest(text)

    def _add(self, pair: Pair) -> None:
        text = normalised(pair.question)
        if text and text not in self._sounds:
            self._sounds[text] = len(self._pairs)
            self._index.add(len(self._pairs), heavy(text))
            self._pairs.append(pair)
            self._texts.append(text)
            self._longest = max(self._longest, len(text))

    def _nearest(self, text: str) -> Match | None:
        best, best_score = -1, self._least
        for at in self._index.candidates(heavy(text)):
            known = self._texts[at]
            score = max(
                fuzz.ratio(text, known, score_cutoff=best_score),
                fuzz.token_sort_ratio(text, known, score_cutoff=best_score),
            )
            if score >= best_score and (best < 0 or score > best_score) and _same(text, known):
                best, best_score = at, score
        return None if best < 0 else self._match(best, "fuzzy", best_score)

    def _match(
        self, at: int, how: Literal["exact", "normalised", "fuzzy"], score: float = 100.0
    ) -> Match:
        pair = self._pairs[at]
        return Match(pair.answer, pair.question, how, score)


class _Index:
    """Which questions have which words, and which words are alike."""

    def __init__(self) -> None:
        self._having: dict[str, array[int]] = {}
        self._like: defaultdict[tuple[int, str], list[str]] = defaultdict(list)

    def add(self, number: int, words: Iterable[str]) -> None:
        """Take in a question; numbers come in their order."""
        for word in set(words):
            having = self._having.get(word)
            if having is None:
                having = self._having[word] = array("I")
                if not _is_number(word):
                    self._like[len(word), word[:_HEAD]].append(word)
            having.append(number)

    def candidates(self, words: Sequence[str]) -> Iterator[int]:
        """Yield questions that have the like of each of these words."""
        having = []
        for word in set(words):
            alike = self._alike(word)
            if not alike:
                return iter(())  # and the other words need not be looked for
            having.append([self._having[like] for like in alike])
        having.sort(key=lambda lists: sum(map(len, lists)))
        if not having or sum(map(len, having[0])) > _MOST_HAVING:
            return iter(())
        found = {number for numbers in having[0] for number in numbers}
        for lists in having[1:]:
            if len(found) <= _CANDIDATES:
                break
            found = {number for numbers in lists for number in numbers if number in found}
        return islice(sorted(found), _CANDIDATES)

    def _alike(self, word: str) -> list[str]:
        """Return the words of the book that this one may be; itself first."""
        alike = [word] if word in self._having else []
        if _is_number(word):
            return alike
        for length in range(len(word) - 2, len(word) + 3):
            slips = _slips(len(word), length)
            if slips >= max(1, abs(length - len(word))):
                known = self._like.get((length, word[:_HEAD]), ())
                near = process.extract(
                    word, known, scorer=OSA.distance, score_cutoff=slips, limit=_LIKES
                )
                alike += [like for like, _, _ in near if like != word]
        return alike


def _same(text: str, known: str) -> bool:
    """Say whether two questions that look alike can mean the same.

    Numbers and negations are the same, and each word of weight has its like on the other side: of
    "Do you deliver to Poland" and "… to Holland" only one is asked.
    """
    if weighty(text) != weighty(known):
        return False
    ours, theirs = heavy(text), heavy(known)
    return _covered(ours, theirs) and _covered(theirs, ours)


def _covered(words: Sequence[str], by: Sequence[str]) -> bool:
    known = set(by)
    return all(word in known or any(_are_alike(word, other) for other in by) for word in words)


def _are_alike(word: str, other: str) -> bool:
    if word[:_HEAD] != other[:_HEAD]:
        return False
    slips = _slips(len(word), len(other))
    return bool(slips) and OSA.distance(word, other, score_cutoff=slips) <= slips


def _slips(length: int, other: int) -> int:
    return min(2, max(length, other) // _LETTERS_PER_SLIP)


def _is_number(word: str) -> bool:
    return any(character.isdecimal() for character in word)


def _batches(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    left = iter(pairs)
    while batch := list(islice(left, _AT_A_TIME)):
        yield batch
