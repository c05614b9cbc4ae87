"""What a scripted caller says next, given what it has heard so far. No I/O."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.hearing import Hearing
from benchmarks.moves import Dialogue, Move
from benchmarks.sound import Samples
from voicebus.caller import RATE_HZ

FRAME: Final = RATE_HZ // 50
FRAME_S: Final = FRAME / RATE_HZ

PATIENCE_S: Final = 5.0
"""Who is not answered within this time is not answered at all."""

LONGEST_REPLY_S: Final = 20.0


class Said:
    """A move as it was made.

    Attributes:
        move: What was said.
        begun_s: When its first speech sample was sent.
        marks: Index of a sample -> when its frame was sent; for the samples that matter.
        interrupted: The turn whose reply it cut into; 0 for none.
    """

    def __init__(self, move: Move, begun_s: float, interrupted: int) -> None:
        self.move = move
        self.begun_s = begun_s
        self.marks: dict[int, float] = {}
        self.interrupted = interrupted

    def at(self, sample: int) -> float:
        """Return when a sample that matters was sent."""
        return self.marks[sample]

    @property
    def ended_s(self) -> float:
        """When the last speech sample was sent."""
        return self.marks[self.move.last]


class CallerScript:
    """Plays one dialogue, frame by frame. ``hearing`` is what the caller hears meanwhile."""

    def __init__(self, dialogue: Dialogue, hearing: Hearing) -> None:
        self.said: list[Said] = []
        self._dialogue = dialogue
        self._hearing = hearing
        self._next = 0
        self._speaking: Said | None = None
        self._position = 0
        self._frames = 0
        self._free_s = 0.0
        self._over_s: float | None = None

    def frame(self, now_s: float) -> Samples | None:
        """Return the 20 ms that are sent at ``now_s``; None when the dialogue is over."""
        self._hearing.player.advance(now_s)
        if self._frames == 0:
            self._free_s = now_s
        if self._speaking is None and not self._begin(now_s) and self._is_over(now_s):
            return None
        samples = np.zeros(FRAME, np.int16)
        if self._speaking is not None:
            self._speak(self._speaking, samples, now_s)
        self._frames += 1
        return self._with_background(samples)

    def _begin(self, now_s: float) -> bool:
        """Begin the next move if it is time for it."""
        if self._next == len(self._dialogue.moves):
            return False
        move = self._dialogue.moves[self._next]
        due_s = self._due_s(move, now_s)
        if due_s is None or now_s < due_s:
            return False
        self._speaking = Said(move, now_s, self._interrupting(move, now_s))
        self.said.append(self._speaking)
        self._position = 0
        self._next += 1
        return True

    def _interrupting(self, move: Move, now_s: float) -> int:
        """Return the turn whose reply is being heard when a move cuts into it; 0 for none."""
        answer = self._answer(self.said[-1]) if move.cue == "audible" else None
        if answer is None or self._hearing.is_over(answer[0], now_s):
            return 0
        return answer[0]

    def _due_s(self, move: Move, now_s: float) -> float | None:
        """Return when a move is to begin; None while that is not known."""
        wait_s = move.wait_ms / 1000
        if not self.said:
            return self._free_s + wait_s
        before = self.said[-1]
        answer = self._answer(before)
        if answer is None:
            # Nobody answered: there is nothing to wait for any longer.
            return before.ended_s + PATIENCE_S
        number, audible_s = answer
        if move.cue == "audible":
            return audible_s + wait_s
        silent_s = self._hearing.player.silent_from(number)
        if not self._hearing.is_over(number, now_s) or silent_s is None:
            return audible_s + LONGEST_REPLY_S
        return silent_s + wait_s

    def _answer(self, said: Said) -> tuple[int, float] | None:
        if said.move.kind == "backchannel":
            number = said.interrupted
            audible_s = self._hearing.player.audible_at(number) if number else None
            return None if audible_s is None else (number, audible_s)
        return self._hearing.answer_since(said.ended_s)

    def _is_over(self, now_s: float) -> bool:
        """Whether the last move has had its effect; called while nothing is being said."""
        if self._next < len(self._dialogue.moves) or not self.said:
            return False
        last = self.said[-1]
        if last.move.kind in {"silence", "noise"}:
            return True
        waited_s = now_s - last.ended_s
        answer = self._answer(last)
        if answer is None:
            return waited_s > PATIENCE_S
        number, audible_s = answer
        if last.move.kind == "backchannel":
            after_s = now_s - (self._hearing.player.silent_from(number) or now_s)
            done = self._hearing.is_over(number, now_s) and after_s > self._dialogue.leave_ms / 1000
            return done or waited_s > LONGEST_REPLY_S
        return now_s > audible_s + self._dialogue.leave_ms / 1000

    def _speak(self, said: Said, samples: Samples, now_s: float) -> None:
        begin, end = self._position, self._position + FRAME
        piece = said.move.samples[begin:end]
        samples[: len(piece)] = piece
        for mark in said.move.marks:
            if begin <= mark < end:
                said.marks[mark] = now_s
        self._position = end
        if end >= len(said.move.samples):
            self._speaking = None

    def _with_background(self, samples: Samples) -> Samples:
        noise = self._dialogue.background
        if not noise.size:
            return samples
        begin = (self._frames - 1) * FRAME % (len(noise) - FRAME)
        both = samples.astype(np.int32) + noise[begin : begin + FRAME]
        return np.asarray(np.clip(both, -32767, 32767), np.int16)
