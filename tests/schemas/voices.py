"""Examples of what is kept of voices."""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.voice import PhraseKept, VoiceKept

VOICES: Final[tuple[Event, ...]] = (
    PhraseKept(pcm=b"\x01\x00\xff\x7f", rate_hz=22_050),
    VoiceKept(
        model="5f0c",
        latents=b"\x00\x00\x80\x3f",
        shape=(1, 1, 1),
        speaker=b"\x00\x00\x00\x40",
        seconds=12.5,
        consent="Anna Berg, form 17",
        licence="CPML",
        made="2026-11-22T20:00:00Z",
    ),
)
