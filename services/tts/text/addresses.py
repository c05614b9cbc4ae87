"""Addresses, paths and names of programs, as they are read to somebody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from services.tts.text.rules import any_of

_URL: Final = re.compile(
    r"(?:https?://|ftp://|www\.)(?:[\w.-]+@)?([\w-]+(?:\.[\w-]+)*)(?::[0-9]+)?((?:/[^\s<>\"'?#]*)?)"
    r"(?:\?[^\s<>\"'#]*)?(?:#[^\s<>\"']*)?",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(r"(?:mailto:)?([\w.+%-]+)@([\w-]+(?:\.[\w-]+)+)")
_DOMAINS: Final = (
    "com", "org", "net", "io", "dev", "app", "edu", "gov", "info", "ai", "co", "uk", "de", "fr",
    "ru", "su", "eu", "us", "ca", "au", "jp", "cn", "рф",
)  # fmt: skip
_ENDINGS: Final = (
    "py", "js", "ts", "txt", "md", "json", "yaml", "yml", "toml", "csv", "html", "css", "sh", "go",
    "rs", "c", "cpp", "h", "java", "exe", "pdf", "png", "jpg", "jpeg", "zip", "wav", "mp3", "conf",
    "log", "doc", "docx", "xlsx",
)  # fmt: skip
_DOMAIN: Final = re.compile(
    rf"(?<![\w@.])[A-Za-zа-яА-Я0-9-]+(?:\.[\w-]+)*\.(?:{any_of(_DOMAINS)})(?![\w])(?:/[\w./-]*\w)?"
)
_PATH: Final = re.compile(r"(?<![\w/.:])(?:~|\.{1,2})?(?:/[\w.-]*\w){2,}/?")
_FILE: Final = re.compile(rf"(?<![\w@.])[\w-]+(?:[./][\w-]+)*\.(?:{any_of(_ENDINGS)})(?![\w])")
_SEPARATOR: Final = re.compile(r"[./@+_%~:-]")
_CLOSING: Final = ".,;:!?)"

ENGLISH: Final = {
    ".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", "+": "plus",
    "%": "percent", "~": "tilde", ":": "colon",
}  # fmt: skip
RUSSIAN: Final = {
    ".": "точка", "/": "слэш", "@": "собака", "-": "дефис", "_": "подчёркивание", "+": "плюс",
    "%": "процент", "~": "тильда", ":": "двоеточие",
}  # fmt: skip


def read_aloud(text: str, names: Mapping[str, str]) -> str:
    """Return the text with its addresses in words; scheme, port, query and anchor go.

    Args:
        text: Any text.
        names: What the separators are called.
    """

    def said(address: str) -> str:
        return " ".join(_SEPARATOR.sub(lambda mark: f" {names[mark.group()]} ", address).split())

    def url(match: re.Match[str]) -> str:
        address = (match.group(1) + match.group(2)).removeprefix("www.")
        bare = address.rstrip(_CLOSING + "/")
        # A mark behind the address belongs to the sentence.
        whole = match.group()
        mark = whole[len(whole.rstrip(_CLOSING)) :]
        return f" {said(bare)}{mark}" if bare else mark

    def whole(match: re.Match[str]) -> str:
        return f" {said(match.group().rstrip('/'))} "

    text = _URL.sub(url, text)
    text = _MAIL.sub(lambda match: f" {said(f'{match.group(1)}@{match.group(2)}')} ", text)
    for pattern in (_DOMAIN, _PATH, _FILE):
        text = pattern.sub(whole, text)
    return text
