"""Cut a growing reply into pieces that can be spoken, as early as is sound.

Pure: text in, pieces out, no clock. A piece is handed out as soon as its end is certain, and what
is certain depends on the text alone, never on how it was cut into tokens.

The first piece is short, because the caller waits for it. It ends at the first mark of any kind;
without one, in front of a word that opens a new phrase ("and", "which" …) behind six words, or
behind ten words: a cut in the middle of a phrase is heard, and ten words without a mark are about
a tenth of a second of generation. Later pieces are whole sentences, which voices speak best; a
long one is cut at its clauses.
"""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

_SENTENCE_MARKS = ".!?…"
_WIDE_SENTENCE_MARKS = "。！？"
_CLAUSE_MARKS = ",;:–"
_OPEN_CLAUSE_MARKS = "—，、；："
_CLOSING = "\"'”’»)]}*_`"
_ALL_MARKS = _SENTENCE_MARKS + _WIDE_SENTENCE_MARKS + _CLAUSE_MARKS + _OPEN_CLAUSE_MARKS
_LOOK_AHEAD = 4
# fmt: off
_ABBREVIATIONS = frozenset({
    "adj", "al", "approx", "apr", "aug", "ave", "blvd", "ca", "capt", "cf", "co", "col", "corp",
    "dec", "dept", "dr", "e.g", "eg", "est", "etc", "feb", "fig", "figs", "fr", "ft", "gen", "gov",
    "hon", "i.e", "ie", "inc", "jan", "jr", "jul", "jun", "lt", "ltd", "maj", "mar", "mr", "mrs",
    "ms", "mt", "nos", "nov", "oct", "pp", "prof", "rd", "rep", "rev", "sen", "sep", "sept", "sgt",
    "sr", "st", "vol", "vs", "a.m", "p.m",
})
_MAY_END_A_SENTENCE = frozenset({"a.m", "al", "co", "corp", "etc", "inc", "jr", "ltd", "p.m", "sr"})
_PHRASE_OPENERS = frozenset({
    "and", "as", "because", "but", "for", "from", "if", "in", "into", "is", "on", "or", "since",
    "so", "than", "that", "though", "to", "until", "was", "when", "where", "which", "while", "who",
    "with",
})
# fmt: on
_LONGEST_OPENER = max(map(len, _PHRASE_OPENERS))
_WORD = re.compile(r"\S+")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_NUMBERING = re.compile(r"\W*(?:\d{1,3}|[A-Za-z])")
_LAST_WORD = re.compile(r"\S*\Z")


class SplitterSettings(Struct, frozen=True, kw_only=True):
    """Sizes in characters, unless the name says words.

    Fields
        min_chars: A mark ends a piece only behind as many.
        first_words: Without a mark, the first piece may end behind as many words.
        first_max_words: Without a mark, it does end behind as many.
        long_chars: A sentence longer than this is cut at its clause marks.
        max_chars: No piece is longer than this, mark or not.
    """

    min_chars: int = 12
    first_words: int = 6
    first_max_words: int = 10
    long_chars: int = 120
    max_chars: int = 250


class Splitter:
    """Splits one reply. Not reusable.

    For every way to cut a text into tokens the pieces are the same. In order and without
    whitespace they are the text. None is blank or longer than ``max_chars``.
    """

    def __init__(self, settings: SplitterSettings) -> None:
        self._settings = settings
        self._pending = ""
        self._any_taken = False

    def push(self, text: str) -> tuple[str, ...]:
        """Append ``text`` and return the pieces whose end is now certain."""
        self._pending += text
        return self._take()

    def finish(self) -> tuple[str, ...]:
        """Return what is left: the text has ended."""
        # The end of a line settles every mark in front of it, and is itself not spoken.
        return self.push("\n")

    def _take(self) -> tuple[str, ...]:
        text = self._pending
        pieces: list[str] = []
        start = 0
        while True:
            while start < len(text) and text[start].isspace():
                start += 1
            window = text[start : start + self._settings.max_chars + 2 * _LOOK_AHEAD]
            cut = self._cut(window)
            if cut == 0:
                self._pending = text[start:]
                return tuple(pieces)
            pieces.append(window[:cut].strip())
            self._any_taken = True
            start += cut

    def _cut(self, text: str) -> int:
        """Return the length of the piece that ``text`` begins with; 0: more text is needed."""
        settings = self._settings
        clause_end = 0
        words = 0
        at = 0
        while at < min(len(text), settings.max_chars):
            char = text[at]
            if char == "\n":
                return at + 1
            if char.isspace():
                words += not text[at - 1].isspace()
                at += 1
                if not self._any_taken and words >= settings.first_words:
                    verdict = self._phrase_ends(text, at, words)
                    if verdict is not _Verdict.NO:
                        return at if verdict is _Verdict.YES else 0
                continue
            end = _run_end(text, at)
            kind = _kind(text, at, end)
            if kind is _Kind.UNCERTAIN and end < settings.max_chars:
                return 0
            at = end
            if clause_end and end > settings.long_chars:
                return clause_end
            if kind in {_Kind.NONE, _Kind.UNCERTAIN} or end < settings.min_chars:
                continue
            if kind is _Kind.SENTENCE or not self._any_taken or end > settings.long_chars:
                return min(end, settings.max_chars)
            clause_end = end
        return _hard_cut(text, settings.max_chars) if at >= settings.max_chars else 0

    def _phrase_ends(self, text: str, at: int, words: int) -> _Verdict:
        """Say whether the first piece, still without a mark, ends in front of ``at``."""
        word = _WORD.match(text, at)
        if word is None:
            # More whitespace may follow; the word in front of which to cut is not there yet.
            return _Verdict.UNKNOWN if at == len(text) else _Verdict.NO
        if text[:at].rstrip()[-1] == ".":
            return _Verdict.NO  # an abbreviation stays with its word
        if words >= self._settings.first_max_words:
            return _Verdict.YES
        if word.end() == len(text) and len(word.group()) <= _LONGEST_OPENER:
            return _Verdict.UNKNOWN
        opens = word.group().lower() in _PHRASE_OPENERS
        return _Verdict.YES if opens else _Verdict.NO


class _Verdict(Enum):
    YES = 1
    NO = 2
    UNKNOWN = 3


class _Kind(Enum):
    NONE = 1
    CLAUSE = 2
    SENTENCE = 3
    UNCERTAIN = 4


def _run_end(text: str, at: int) -> int:
    """Return the end of the marks that begin at ``at``, with the quotes and brackets they close."""
    marks = _SENTENCE_MARKS + _WIDE_SENTENCE_MARKS
    end = at + 1
    if text[at] in marks:
        while end < len(text) and text[end] in marks:
            end += 1
    if text[at] in _ALL_MARKS:
        while end < len(text) and text[end] in _CLOSING:
            end += 1
    return end


def _kind(text: str, at: int, end: int) -> _Kind:
    """Say what the run of marks at ``text[at:end]`` is."""
    char = text[at]
    if char not in _ALL_MARKS:
        return _Kind.NONE
    if end == len(text):
        return _Kind.UNCERTAIN
    if char in _WIDE_SENTENCE_MARKS + _OPEN_CLAUSE_MARKS:
        return _Kind.SENTENCE if char in _WIDE_SENTENCE_MARKS else _Kind.CLAUSE
    if not text[end].isspace():
        # Numbers, times, addresses, initials: the mark is inside a word.
        return _Kind.NONE
    if char in _CLAUSE_MARKS or any(mark in "!?" for mark in text[at:end]):
        return _Kind.CLAUSE if char in _CLAUSE_MARKS else _Kind.SENTENCE
    following = _next_visible(text, end)
    return _kind_of_dot(text[:end], at, following) if following else _Kind.UNCERTAIN


def _kind_of_dot(text: str, at: int, following: str) -> _Kind:
    """Say what the full stop or ellipsis at the end of ``text`` is, by its two neighbours."""
    if text[at] == "…" or text[at : at + 2] == "..":
        return _Kind.CLAUSE if following.islower() else _Kind.SENTENCE
    found = _LAST_WORD.search(text, 0, at)
    word = (found.group() if found else "").lstrip("\"'“‘«([{*_`")
    may_end = word.lower() in _MAY_END_A_SENTENCE and following.isupper()
    bound = (
        following.islower()
        or word.lower() in _ABBREVIATIONS
        or _INITIALS.fullmatch(word)
        or _NUMBERING.fullmatch(text, 0, at)
        or (word.lower() == "no" and following.isdigit())
    )
    return _Kind.SENTENCE if may_end or not bound else _Kind.NONE


def _next_visible(text: str, end: int) -> str:
    """Return the character that follows the whitespace at ``end``; "" when it is not there yet.

    A line end, or very much whitespace, stands for the beginning of a sentence.
    """
    for char in text[end : end + _LOOK_AHEAD]:
        if char == "\n":
            return "\n"
        if not char.isspace():
            return char
    return "\n" if len(text) >= end + _LOOK_AHEAD else ""


def _hard_cut(text: str, limit: int) -> int:
    """Return where to cut a piece that has no mark: between its last two words, if it has two."""
    space = max((at for at in range(limit) if text[at].isspace()), default=0)
    return space or limit
