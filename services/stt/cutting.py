"""A passage of a recording: the utterances in it, and where it ends. A pure state machine.

A recording is cut where nobody speaks, so that each utterance belongs to one passage: they are
those that one pass over the whole recording would find. Who speaks on and on is cut where the
endpointer splits long utterances anyway.
"""

from __future__ import annotations

from schemas.audio import CALLER_RATE_HZ
from services.stt.endpointing import Endpointer, EndpointingSettings
from services.stt.marks import UtteranceEnded


class Cutter:
    """Takes the probabilities of a passage's windows.

    Args:
        settings: When utterances end.
        start: First sample of the passage.
        cut_from: Behind this sample, the first silence ends the passage.

    Attributes:
        cut: One past the passage's last sample; None while it is not known.
    """

    def __init__(self, settings: EndpointingSettings, start: int, cut_from: int) -> None:
        self._endpointer = Endpointer(settings, start)
        # In the middle of a pause, so that the next passage begins in silence, too.
        quiet_ms = min(settings.pad_ms, settings.end_pause_ms) // 2
        self._quiet = quiet_ms * CALLER_RATE_HZ // 1000
        self._cut_from = cut_from
        self.cut: int | None = None

    def push(self, probability: float, position: int) -> tuple[UtteranceEnded, ...]:
        """Take the next window in; return the utterances that are over.

        Args:
            probability: That there is speech in it.
            position: One past its last sample that is a part of the recording.
        """
        if self.cut is not None:
            return ()
        found: list[UtteranceEnded] = []
        for mark in self._endpointer.push(probability):
            if isinstance(mark, UtteranceEnded):
                found.append(mark)
                if mark.cause == "length" and mark.end_sample >= self._cut_from:
                    # Its follower has begun: it is the first of the next passage.
                    self.cut = mark.end_sample
                    return tuple(found)
        if position > self._cut_from and self._endpointer.utterance_start is None:
            self.cut = min(self._endpointer.keep_from + self._quiet, position)
        return tuple(found)

    def finish(self, end: int) -> tuple[UtteranceEnded, ...]:
        """End the passage at ``end``, where its audio ends, if it has not ended before."""
        if self.cut is not None:
            return ()
        self.cut = end
        return tuple(
            mark for mark in self._endpointer.force(end) if isinstance(mark, UtteranceEnded)
        )
