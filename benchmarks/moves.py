"""What a scripted caller says, and what is known about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.sound import Gap, Samples

Kind = Literal[
    "complete", "paused", "hesitant", "follow_up", "interruption", "backchannel", "silence", "noise"
]


@dataclass(slots=True, frozen=True)
class Move:
    """Something that the caller says.

    Attributes:
        kind: What it tests.
        samples: From its first to its last speech sample, at 16 kHz.
        text: The words.
        cue: Waits for the end of the reply before (``rest``), or from the first audible sample of
            that reply on (``audible``).
        wait_ms: How long after that it begins.
        pauses: Its inner pauses that were made, as samples; the first speech after one is its
            ``end``.
        ends: The last speech samples of the turns that it may be taken for; the last is its end.
        recordings: What it was made of.
    """

    kind: Kind
    samples: Samples
    text: str
    cue: Literal["rest", "audible"] = "rest"
    wait_ms: int = 300
    pauses: tuple[Gap, ...] = ()
    ends: tuple[int, ...] = ()
    recordings: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The last sample."""
        return len(self.samples) - 1

    @property
    def marks(self) -> tuple[int, ...]:
        """The samples whose time of sending matters."""
        inner = (sample for gap in self.pauses for sample in (gap.begin - 1, gap.end))
        return (0, *inner, *self.ends, self.last)


@dataclass(slots=True, frozen=True)
class Dialogue:
    """What one caller says in one session.

    Attributes:
        name: For the rows.
        moves: What is said, in this order.
        background: Noise that is heard all the time; no samples for none.
        snr_db: How much louder the speech is than it; None without noise.
        leave_ms: How long the caller listens to the answer to its last move.
    """

    name: str
    moves: tuple[Move, ...]
    background: Samples
    snr_db: float | None = None
    leave_ms: int = 400
