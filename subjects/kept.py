"""The subjects of what outlives a session."""

from __future__ import annotations

from schemas.conversation import ConversationKept, LinkKept
from schemas.persona import FaqKept, PersonaKept
from schemas.tool import ToolsKept
from subjects.catalog import CATALOG


def conversation_subject(cell: str, conversation: str) -> str:
    """Return the subject on which a conversation is kept."""
    return CATALOG[ConversationKept].pattern.format(cell=cell, secret=conversation)


def link_subject(cell: str, digest: str) -> str:
    """Return the subject on which a link code is kept, by its digest."""
    return CATALOG[LinkKept].pattern.format(cell=cell, secret=digest)


def persona_subject(cell: str, name: str) -> str:
    """Return the subject on which a persona is kept; ``*`` for all."""
    return CATALOG[PersonaKept].pattern.format(cell=cell, item=name)


def faq_subject(cell: str, name: str, version: str = "", part: int = 0) -> str:
    """Return the subject on which a part of a persona's instant answers is kept.

    The first part has one subject for all versions, and names the version that counts; the others
    lie beside those of other versions.
    """
    item = f"{name}_{version}_{part}" if part else f"{name}_0"
    return CATALOG[FaqKept].pattern.format(cell=cell, item=item)


def tools_subject(cell: str, server: str) -> str:
    """Return the subject on which the functions of a server are kept."""
    return CATALOG[ToolsKept].pattern.format(cell=cell, item=server)
