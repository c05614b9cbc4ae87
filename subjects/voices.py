"""Subjects of what is kept of voices."""

from __future__ import annotations

from schemas.voice import PhraseKept, VoiceKept
from subjects.catalog import CATALOG


def phrase_subject(cell: str, digest: str) -> str:
    """Return the subject on which a phrase is kept, by its digest; ``*`` for all."""
    return CATALOG[PhraseKept].pattern.format(cell=cell, secret=digest)


def phrase_of(subject: str) -> str:
    """Return the digest in a phrase's subject."""
    return subject.rsplit(".", 1)[1]


def voice_subject(cell: str, name: str) -> str:
    """Return the subject on which a voice is kept, by its name; ``*`` for all."""
    return CATALOG[VoiceKept].pattern.format(cell=cell, item=name)


def voice_of(subject: str) -> str:
    """Return the name in a voice's subject."""
    return subject.rsplit(".", 1)[1]
