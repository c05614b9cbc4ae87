"""Settings of the TTS worker: ``VOICEBUS_TTS_…``."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from services.faults import Fault
from voicebus.errors import ConfigError
from voicebus.voices import Offer, offers

SCOPE = "TTS_"


class TtsSettings(Struct, frozen=True, kw_only=True):
    """How replies are spoken.

    Fields
        engine: ``piper``, ``xtts`` or ``synthetic``.
        voices: Voices that the worker offers, separated by commas, the default one first: each
            ``[NAME=]MODEL[#SPEAKER][@PRESET]``. A Piper model is ``piper-<MODEL>`` of the store, a
            preset ``calm``, ``lively``, ``slow``, ``quick`` or ``SPEED:TEMPERATURE``. A model of
            XTTS is a voice of ``voicebus voices`` or of its own; others than these are on offer
            as they are, and speak to those who name them.
        voices_bytes: Size of the model files of the voices that are loaded at once; a voice is
            loaded when somebody asks for it, and the one that was not used for longest goes.
        xtts_model: Folder of an XTTS checkpoint: config.json, model.pth, vocab.json.
        xtts_licence: ``CPML`` says that the licence of its weights was read and accepted.
        xtts_device: ``cpu``, ``cuda``, or ``auto`` for the one that is there.
        threads: CPU threads of one synthesis.
        piece_s: Deadline of each piece of audio; one waits for those of other turns, which counts
            for Piper, and not for XTTS, where each waits for whole clauses.
        phrase_chars: Longest text whose audio is kept on the bus when it is said again and again,
            such as greetings, fillers and instant answers; 0: none.
        phrase_memory_bytes: How much of such audio a worker knows at once.
        slots: Turns that one worker speaks at once; their clauses take turns.
        synthetic_ttfa_ms: Time of the synthetic engine to its first audio.
        synthetic_piece_ms: Length of its pieces; 0 for one piece for a whole clause.
        synthetic_pace: Time that a piece takes to compute, as a part of its length.
        synthetic_fault: What goes wrong with it: ``none``, ``crash``, ``fail``, ``hang``, ``slow``,
            ``garbage`` or ``silence``.
        synthetic_fault_after: How many pieces it makes before.
        synthetic_fault_text: Goes wrong only where what is spoken has this.
    """

    engine: Literal["piper", "xtts", "synthetic"] = "piper"
    voices: str = "en_US-joe-medium"
    voices_bytes: int = 512 << 20
    xtts_model: str = ""
    xtts_licence: Literal["", "CPML"] = ""
    xtts_device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 2
    piece_s: float = 20.0
    phrase_chars: int = 64
    phrase_memory_bytes: int = 32 << 20
    slots: int = 16
    synthetic_ttfa_ms: float = 40.0
    synthetic_piece_ms: float = 0.0
    synthetic_pace: float = 0.0
    synthetic_fault: Fault = Fault.NONE
    synthetic_fault_after: int = 0
    synthetic_fault_text: str = ""

    def __post_init__(self) -> None:
        """Refuse voices that cannot be meant."""
        try:
            self.offers()
        except ConfigError as err:
            raise ValueError(f"voices: {err}") from err

    def offers(self) -> tuple[Offer, ...]:
        """Return the voices."""
        return offers(self.voices)
