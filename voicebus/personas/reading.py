"""From what an author wrote to what it means for a session."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from schemas.persona import Instant, Tools, Traits
from schemas.settings import SessionSettings
from voicebus.errors import ConfigError
from voicebus.personas.front_matter import Document, read_document
from voicebus.personas.text import MAX_BYTES, version_of

_INSTRUCTIONS: Final = 8_000
_AT: Final = re.compile(r" - at `\$\.?(.*)`$")
_INDEX: Final = re.compile(r"\[(\d+|\.\.\.)\]")
_NOT_ITS_OWN: Final = {
    "instructions": "write them below the head",
    "persona": "the name is that of the file",
    "turn_taking": "that is for the client to say",
}


class Head(SessionSettings, frozen=True, kw_only=True, omit_defaults=True):
    """What the head of a persona's file may say: how sessions are, and how the model answers.

    Fields
        description: For people; nothing follows from it.
        model: Model that answers; empty for the worker's default.
        max_tokens: Upper bound of each reply; 0 for the worker's default.
        temperature: Sampling temperature; negative for the worker's default.
        faq: How certain its instant answers must be.
        tools: Which functions its model may ask for.
        summaries: Whether what a chat has no room for is kept in short; empty: as the worker does.
    """

    description: str = ""
    model: Annotated[str, Meta(max_length=256)] = ""
    max_tokens: Annotated[int, Meta(ge=0, le=100_000)] = 0
    temperature: Annotated[float, Meta(ge=-1.0, le=2.0)] = -1.0
    faq: Instant = Instant()
    tools: Tools = Tools()
    summaries: Literal["", "on", "off"] = ""


def read_persona(text: str, name: str, where: str) -> Traits:
    """Read a persona.

    Args:
        text: Markdown with front matter.
        name: Its name.
        where: How the file is called in errors.

    Raises:
        ConfigError: It says something that no persona has; names file and line.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError(f"{where}: a persona may have at most {MAX_BYTES} bytes")
    document = read_document(text, where)
    for path, wrong in _wrong(document.head, Head, ""):
        raise ConfigError(f"{where}:{document.line_of(path)}: {wrong}")
    head = _converted(document, where)
    if len(document.body) > _INSTRUCTIONS:
        raise ConfigError(
            f"{where}: the instructions have {len(document.body)} characters; at most "
            f"{_INSTRUCTIONS} are possible"
        )
    own = {field: getattr(head, field) for field in SessionSettings.__struct_fields__}
    settings = SessionSettings(**{**own, "instructions": document.body})
    return Traits(
        name=name,
        version=version_of(text),
        settings=settings,
        model=head.model,
        max_tokens=head.max_tokens,
        temperature=head.temperature,
        faq=head.faq,
        tools=head.tools,
        summaries=head.summaries,
    )


def _converted(document: Document, where: str) -> Head:
    try:
        return msgspec.convert(document.head, Head, strict=False)
    except msgspec.ValidationError as err:
        found = _AT.search(str(err))
        path = _INDEX.sub(r".\1", found[1]) if found else ""
        reason = _AT.sub("", str(err))
        told = f"`{path}`: {reason}" if path else reason
        raise ConfigError(f"{where}:{document.line_of(path)}: {told}") from err


def _wrong(told: Mapping[str, Any], kind: type[Struct], before: str) -> Iterator[tuple[str, str]]:
    """Yield path and reason of each name that means nothing here: it would be ignored."""
    hints = get_type_hints(kind)
    for name, value in told.items():
        path = f"{before}{name}"
        if path in _NOT_ITS_OWN:
            yield path, f"`{path}` cannot stand in the head: {_NOT_ITS_OWN[path]}"
        elif name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            yield path, f"there is no `{path}`" + (f" (did you mean `{near[0]}`?)" if near else "")
        elif (inner := _struct_of(hints[name])) is not None:
            if not isinstance(value, dict):
                yield path, f"`{path}` has values of its own: expected `name: value` below it"
            else:
                yield from _wrong(value, inner, f"{path}.")


def _struct_of(hint: Any) -> type[Struct] | None:
    kinds = (hint, *get_args(hint))
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Struct)), None)
