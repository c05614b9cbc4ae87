"""What the widget says, by language: the files of ``texts/``, and what sites say instead."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("texts")
_DEFAULT: Final = "en"
_MOST_ASKED: Final = 16

Texts = Mapping[str, Mapping[str, str]]
"""By language, then by name."""


def read_texts() -> Texts:
    """Read the widget's own texts. English has all names."""
    return {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(_FOLDER.glob("*.toml"))
    }


def chosen(ours: Texts, sites: Texts, wanted: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the first language that is wanted and known, and the texts in it.

    Args:
        ours: The widget's own texts.
        sites: What a site says instead, or in further languages.
        wanted: Language tags, the most wanted first.
    """
    codes = [tag[:2].lower() for tag, _ in zip(wanted, range(_MOST_ASKED), strict=False)]
    language = next((code for code in codes if code in ours or code in sites), _DEFAULT)
    return language, {**ours[_DEFAULT], **ours.get(language, {}), **sites.get(language, {})}
