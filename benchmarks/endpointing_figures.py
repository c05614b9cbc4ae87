"""How many speakers each policy cuts off, and how long it lets the others wait. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from msgspec import Struct

from benchmarks.figures import Bar
from schemas.settings import EndOfTurn
from services.stt.completion import completion
from services.stt.endpointing import WINDOW_SAMPLES
from services.stt.hold import POLICIES, SURE, Hold
from voicebus.caller import RATE_HZ

PAUSES_MS: Final = tuple(range(300, 801, 50))
LONG_PAUSES_MS: Final = tuple(range(850, 1151, 50))
"""How long the speakers of the gaps are quiet."""

SILENCES_MS: Final = (600, 800, 1000)
"""What systems without a judgement wait."""

LIMITS: Final[Mapping[str, float]] = {"balanced_cut_off_ratio": 0.05}

_WINDOW_MS: Final = WINDOW_SAMPLES * 1000 // RATE_HZ

HoldOf: TypeAlias = Callable[["Pause"], int]


class Pause(Struct, frozen=True):
    """A pause, as the recogniser's draft and the turn model judged it.

    Fields
        recording: The file, without the suffix.
        language: ISO 639-1 code.
        complete: Whether the utterance is over; else the pause was put into one of its gaps.
        snr_db: Level of the speech over made noise; None without noise.
        lag_ms: How long after the end of the speech voice detection saw it; negative when sooner.
        sound: Completion by sound alone.
        text: What was drafted.
        confidence: The recogniser's.
    """

    recording: str
    language: str
    complete: bool
    snr_db: float | None
    lag_ms: float
    sound: float
    text: str
    confidence: float

    @property
    def completion(self) -> float:
        """How complete the turn is, all in all. Without words nobody can be cut off."""
        return completion(self.sound, self.text, self.confidence) if self.text else 1.0


def policies() -> dict[str, HoldOf]:
    """Return how long each policy, and each plain silence, holds a pause."""
    found: dict[str, HoldOf] = {f"silence_{ms}": _silence(ms) for ms in SILENCES_MS}
    return found | {name: _judged(EndOfTurn(policy=name)) for name in POLICIES}  # type: ignore[arg-type]


def _silence(ms: int) -> HoldOf:
    return lambda pause: ms


def _judged(settings: EndOfTurn) -> HoldOf:
    return lambda pause: Hold(settings).length_ms(pause.completion)


def figures(pauses: Sequence[Pause]) -> dict[str, float]:
    """Return what each policy does to these pauses."""
    ends = [pause for pause in pauses if pause.complete]
    gaps = [pause for pause in pauses if not pause.complete]
    found: dict[str, float] = {"ends": float(len(ends)), "gaps": float(len(gaps))}
    for name, hold_of in policies().items():
        found[f"{name}_cut_off_ratio"] = cut_off(gaps, hold_of, PAUSES_MS)
        for language in sorted({pause.language for pause in gaps}):
            spoken = [pause for pause in gaps if pause.language == language]
            found[f"{name}_cut_off_{language}_ratio"] = cut_off(spoken, hold_of, PAUSES_MS)
        found[f"{name}_cut_off_long_ratio"] = cut_off(gaps, hold_of, LONG_PAUSES_MS)
        holds = [_whole_windows(hold_of(pause)) for pause in ends]
        found[f"{name}_hold_p50_ms"] = float(np.percentile(holds, 50))
        found[f"{name}_hold_p95_ms"] = float(np.percentile(holds, 95))
    found["ends_sure_ratio"] = float(np.mean([pause.completion >= SURE for pause in ends]))
    found["gaps_sure_ratio"] = float(np.mean([pause.completion >= SURE for pause in gaps]))
    return found


def cut_off(gaps: Sequence[Pause], hold_of: HoldOf, lengths_ms: Sequence[int]) -> float:
    """Return in how many pauses the turn would have ended before the speech went on.

    Args:
        gaps: Where the speakers are quiet.
        hold_of: The policy.
        lengths_ms: For how long; each gap counts once with each.
    """
    over = [
        _whole_windows(hold_of(gap)) <= length_ms - gap.lag_ms
        for gap in gaps
        for length_ms in lengths_ms
    ]
    return float(np.mean(over))


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
    )


def void_reasons(pauses: Sequence[Pause]) -> tuple[str, ...]:
    """Return why the run decides nothing: it needs pauses of both kinds."""
    kinds = {pause.complete for pause in pauses}
    return () if kinds == {True, False} else ("there are no gaps, or no whole utterances",)


def _whole_windows(hold_ms: int) -> int:
    """Return when a pause is found to be as long: voice detection sees whole windows."""
    return math.ceil(hold_ms / _WINDOW_MS) * _WINDOW_MS
