"""Settings of the TTS worker: ``VOICEBUS_TTS_…``."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from services.faults import Fault

SCOPE = "TTS_"


class TtsSettings(Struct, frozen=True, kw_only=True):
    """How replies are spoken.

    Fields
        engine: ``piper`` or ``synthetic``.
        voices: Voices that the worker offers, separated by commas, the default one first. A Piper
            voice is a model of the store named ``piper-<voice>``.
        threads: CPU threads of one synthesis.
        piece_s: Deadline of each piece of audio; one waits for those of other turns.
        slots: Turns that one worker speaks at once; their clauses take turns.
        synthetic_ttfa_ms: Time of the synthetic engine to its first audio.
        synthetic_piece_ms: Length of its pieces; 0 for one piece for a whole clause.
        synthetic_pace: Time that a piece takes to compute, as a part of its length.
        synthetic_fault: What goes wrong with it: ``none``, ``crash``, ``fail``, ``hang``, ``slow``,
            ``garbage`` or ``silence``.
        synthetic_fault_after: How many pieces it makes before.
        synthetic_fault_text: Goes wrong only where what is spoken has this.
    """

    engine: Literal["piper", "synthetic"] = "piper"
    voices: str = "en_US-joe-medium"
    threads: int = 2
    piece_s: float = 20.0
    slots: int = 16
    synthetic_ttfa_ms: float = 40.0
    synthetic_piece_ms: float = 0.0
    synthetic_pace: float = 0.0
    synthetic_fault: Fault = Fault.NONE
    synthetic_fault_after: int = 0
    synthetic_fault_text: str = ""

    def names(self) -> tuple[str, ...]:
        """Return the voices' names."""
        return tuple(name.strip() for name in self.voices.split(",") if name.strip())
