"""Questions and answers, as people write them into files. Pure.

CSV or TSV with the columns ``question`` and ``answer``: a row without an answer asks for that of
the row above it in other words. JSON Lines: ``{"question": "…", "answer": "…"}``, where
``question`` may be a list.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from voicebus.errors import ConfigError

MOST_PAIRS: Final = 200_000
MOST_CHARS: Final = 1_000
"""Of a question, and of an answer: it is spoken in one go."""

SUFFIXES: Final = (".csv", ".tsv", ".jsonl")

_COLUMNS: Final = ("question", "answer")


class Pair(Struct, frozen=True, gc=False):
    """A question and its answer."""

    question: str
    answer: str


class _Row(Struct, forbid_unknown_fields=True):
    question: str | tuple[str, ...]
    answer: str


def read_pairs(text: str, suffix: str, where: str) -> Iterator[Pair]:
    """Yield the questions of a file, each with its answer.

    Args:
        text: The file.
        suffix: Says what it is, one of :data:`SUFFIXES`.
        where: How it is called in errors.

    Raises:
        ConfigError: A line is none; names it.
    """
    if suffix not in SUFFIXES:
        raise ConfigError(f"{where}: expected a file that ends in {', '.join(SUFFIXES)}")
    rows = _json(text, where) if suffix == ".jsonl" else _table(text, suffix, where)
    for number, (line, pair) in enumerate(rows):
        if number >= MOST_PAIRS:
            raise ConfigError(f"{where}:{line}: at most {MOST_PAIRS} questions are possible")
        for name in _COLUMNS:
            length = len(getattr(pair, name))
            if not length:
                raise ConfigError(f"{where}:{line}: there is no {name}")
            if length > MOST_CHARS:
                raise ConfigError(
                    f"{where}:{line}: the {name} has {length} characters; at most {MOST_CHARS} "
                    "are possible"
                )
        yield pair


def _table(text: str, suffix: str, where: str) -> Iterator[tuple[int, Pair]]:
    delimiter = "\t" if suffix == ".tsv" else ","
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), delimiter=delimiter)
    answer = ""
    try:
        head = tuple(cell.strip().lower() for cell in next(reader, ()))
        if head[:2] != _COLUMNS:
            raise ConfigError(f"{where}:1: the first line must be question{delimiter}answer")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(head):
                raise ConfigError(
                    f"{where}:{reader.line_num}: {len(cells)} columns: put what has a "
                    f"{delimiter!r} in it between quotes"
                )
            answer = (cells[1].strip() if len(cells) > 1 else "") or answer
            yield reader.line_num, Pair(cells[0].strip(), answer)
    except csv.Error as err:
        raise ConfigError(f"{where}:{reader.line_num}: {err}") from err


def _json(text: str, where: str) -> Iterator[tuple[int, Pair]]:
    decoder = msgspec.json.Decoder(_Row)
    for line, told in enumerate(text.split("\n"), 1):
        if not told.strip():
            continue
        try:
            row = decoder.decode(told)
        except (msgspec.DecodeError, RecursionError) as err:
            raise ConfigError(f"{where}:{line}: {err}") from err
        asked = (row.question,) if isinstance(row.question, str) else row.question
        if not asked:
            raise ConfigError(f"{where}:{line}: there is no question")
        for question in asked:
            yield line, Pair(question.strip(), row.answer.strip())
