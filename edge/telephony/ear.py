"""From the pieces that a carrier sends to the caller's audio on the bus. Pure."""

from __future__ import annotations

from typing import Final

from edge.telephony.events import Spoken
from edge.telephony.jitter import Jitter
from schemas.audio import CALLER_RATE_HZ
from voicebus.audio.codec import Sound, Unpacking

AHEAD_S: Final = 3.0
"""How far a caller's audio may be ahead of real time. A telephone cannot be: it is a flood, or a
carrier that makes up for a break of its own."""


class Ear:
    """One caller's audio.

    Attributes:
        jitter: What was lost and late of it.
        flooded_s: How much was thrown away because it came faster than anybody speaks.
    """

    def __init__(self) -> None:
        self.jitter: Final = Jitter()
        self.flooded_s = 0.0
        self._sound: Sound | None = None
        self._unpacking: Unpacking | None = None
        self._heard_until_s: float | None = None

    def take(self, spoken: Spoken, now_s: float) -> bytes:
        """Take a piece; return samples for the bus, s16le at 16 kHz, or nothing."""
        made = [self._heard(piece, now_s) for piece in self.jitter.push(spoken)]
        return made[0] if len(made) == 1 else b"".join(made)

    def _heard(self, piece: Spoken, now_s: float) -> bytes:
        lasts_s = piece.sound.ms(len(piece.data)) / 1000
        until_s = max(self._heard_until_s or now_s, now_s) + lasts_s
        if until_s - now_s > AHEAD_S + lasts_s:
            self.flooded_s += lasts_s
            return b""
        self._heard_until_s = until_s
        if self._unpacking is None or piece.sound != self._sound:
            self._sound = piece.sound
            self._unpacking = Unpacking(piece.sound, CALLER_RATE_HZ)
        return self._unpacking.push(piece.data).astype("<i2", copy=False).tobytes()
