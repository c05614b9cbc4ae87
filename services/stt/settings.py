"""Settings of the STT worker: ``VOICEBUS_STT_…``."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from services.faults import Fault
from services.stt.endpointing import EndpointingSettings
from voicebus.errors import ConfigError

SCOPE = "STT_"


class SttSettings(Struct, frozen=True, kw_only=True):
    """How speech is recognised.

    Fields
        engine: ``faster-whisper``, ``vosk`` or ``synthetic``.
        model: Name of a model in the store, or the path of a folder with one.
        quick_model: Vosk model that makes partials while the engine makes the finals, for sessions
            in its language; as ``model``. Empty for none.
        vosk_language: ISO 639-1 code of what a Vosk model knows; empty to read it in its name, as
            in ``vosk-model-small-ko-0.22``.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: Quantisation, as CTranslate2 names it.
        threads: CPU threads of one recognition; 0 for as many as leave the other stages theirs,
            which is half of the cores.
        slots: Live sessions that one worker serves at once.
        turn_model: Name of the model that judges ends of turns; empty for none.
        end_pause_ms: Silence after which an utterance is over where nobody judges turns: in
            files, and where the caller ends the turns.
        soft_pause_ms: Silence after which its recognition begins, to be ready by then.
        partial_ms: Shortest time between two partials of a session.
        synthetic_ms: Time that the synthetic engine takes for an utterance.
        synthetic_rtf: Further time that it takes, as a part of the utterance's length.
        synthetic_fault: What goes wrong with it: ``none``, ``crash``, ``fail``, ``hang``, ``slow``,
            ``garbage`` or ``silence``.
        synthetic_fault_after: How many recognitions it makes before, those of partials included.
        synthetic_fault_text: Goes wrong only where its text has this.
    """

    engine: Literal["faster-whisper", "vosk", "synthetic"] = "faster-whisper"
    model: str = "whisper-base"
    quick_model: str = ""
    vosk_language: str = ""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    compute_type: str = "int8"
    threads: int = 0
    slots: int = 64
    turn_model: str = "smart-turn-v3.2"
    end_pause_ms: int = 600
    soft_pause_ms: int = 64
    partial_ms: int = 700
    synthetic_ms: float = 50.0
    synthetic_rtf: float = 0.0
    synthetic_fault: Fault = Fault.NONE
    synthetic_fault_after: int = 0
    synthetic_fault_text: str = ""

    def __post_init__(self) -> None:
        """Refuse pauses that contradict each other."""
        try:
            self.endpointing()
        except ConfigError as err:
            raise ValueError(str(err)) from err

    def endpointing(self) -> EndpointingSettings:
        """Return the settings of the endpointer."""
        return EndpointingSettings(soft_pause_ms=self.soft_pause_ms, end_pause_ms=self.end_pause_ms)
