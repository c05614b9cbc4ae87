"""Who answers in a session: what its author wrote, and what follows from it for a session."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.event import Event
from schemas.settings import SessionSettings

# A pattern's $ is also true before a line feed at the end of the text.
PersonaName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]


class PersonaKept(Event, frozen=True, kw_only=True, tag="persona.kept"):
    """A persona as its author wrote it. Each one replaces the one before, which is kept for a time.

    Fields
        text: Markdown with front matter; empty for one that was removed.
    """

    text: str


class FaqKept(Event, frozen=True, kw_only=True, tag="persona.faq"):
    """A part of the questions that a persona answers at once. ``seq`` counts them; 0 comes last.

    Part 0 is where its forerunner was, and takes its place; the others lie beside other versions.

    Fields
        version: Digest of all parts; those of another one do not belong to it.
        parts: How many there are.
        questions: How many questions there are in all of them.
        data: Of the questions and answers, as JSON Lines that zlib has compressed.
    """

    version: str
    parts: int
    questions: int
    data: bytes


class Instant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How certain an answer must be that is given without the language model.

    Fields
        least: How alike two questions must be, of 100; above 100: they must sound the same.
    """

    least: Annotated[float, Meta(ge=50.0, le=101.0)] = 85.0


class Tools(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which functions the language model may ask for, and how.

    Fields
        allow: Names: those of the house (``time``, ``hang_up`` …), and ``server.function`` or
            ``server.*`` of servers.
        rounds: How often in a turn it may ask.
        transfer_to: With whom a call may go on.
    """

    allow: Annotated[tuple[str, ...], Meta(max_length=64)] = ()
    rounds: Annotated[int, Meta(ge=1, le=16)] = 4
    transfer_to: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class Traits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a persona says about the sessions in which it answers. All but its name may be default.

    Fields
        name: By which sessions ask for it.
        version: Digest of what its author wrote: the same text has the same version everywhere.
        settings: How its sessions are, where they say nothing of their own; its instructions too.
        model: Model that answers.
        max_tokens: Upper bound of each reply; 0 for the model worker's default.
        temperature: Sampling temperature; negative for the model worker's default.
        faq: How certain its instant answers must be.
        tools: Which functions its model may ask for.
        summaries: ``on`` where what a chat has no room for any more is kept in short, ``off`` where
            it is not; empty for the turn worker's default.
    """

    name: str
    version: str = ""
    settings: SessionSettings = SessionSettings()
    model: str = ""
    max_tokens: int = 0
    temperature: float = -1.0
    faq: Instant = Instant()
    tools: Tools = Tools()
    summaries: Literal["", "on", "off"] = ""
