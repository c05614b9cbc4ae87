"""From what the speech recogniser says to the items of a conversation. Pure.

An utterance becomes an item when a pause ends it, where turns are detected, or when the client
commits it. The words of what is committed come later: until then they are due. What is cleared is
due, too, and is thrown away when it comes.

::

    silence ──speech, or a commit──> open ──pause──────────────────────> item, with its words
                                      ├──commit──> item, words due ──all heard──> its words
                                      └──clear───> nothing, words due ──all heard──> nothing
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.heard import (
    Committed,
    Drafted,
    Heard,
    NotTranscribed,
    Resumed,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
    Understood,
)
from edge.openai.realtime.sound import InputBuffer
from schemas.audio import CALLER_RATE_HZ
from schemas.failure import Failure
from schemas.stt import (
    AudioConsumed,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)

LEAST_MS: Final = 100
"""Less than this cannot be committed."""

_SAMPLES_PER_MS: Final = CALLER_RATE_HZ // 1000


LATE: Final = Failure(
    stage="stt",
    code="engine_timeout",
    message="what was said was not understood in time",
    retryable=True,
)


@dataclass(slots=True)
class _Utterance:
    """What becomes one item.

    Attributes:
        item_id: Its item.
        start_ms: Where speech began.
        end_ms: Where it ended, as far as it is known.
        until: Up to which sample it goes, once the client has said so.
        pieces: What was understood: one text for each final.
        told: How much of it was told as certain.
        is_shown: Whether the client knows that the caller speaks.
        is_wanted: False for what was cleared.
        failure: Why words are missing.
    """

    item_id: str
    start_ms: int
    end_ms: int = 0
    until: int = -1
    pieces: list[str] = field(default_factory=list)
    told: str = ""
    is_shown: bool = False
    is_wanted: bool = True
    failure: Failure | None = None

    def settled(self) -> Heard:
        """Return what there is to say of its words, now that no more will come."""
        if self.failure is not None:
            return NotTranscribed(self.item_id, self.failure)
        seconds = max(0, self.end_ms - self.start_ms) / 1000
        return Transcribed(self.item_id, " ".join(filter(None, self.pieces)), seconds)


class Hearing:
    """The state of one session's ears.

    Args:
        buffer: Where its audio comes from.
        new_item: Makes the id of an item.

    Attributes:
        detects: Whether pauses end turns.
    """

    def __init__(self, buffer: InputBuffer, new_item: Callable[[], str]) -> None:
        self._buffer = buffer
        self._new_item = new_item
        self._open: _Utterance | None = None
        self._due: deque[_Utterance] = deque()
        self._utterance = 0
        self._over = 0
        self.detects = True

    def is_due(self, item_id: str) -> bool:
        """Whether an item's words are still to come."""
        return any(due.item_id == item_id and due.is_wanted for due in self._due)

    @property
    def is_waiting(self) -> bool:
        """Whether any words are still to come."""
        return bool(self._due)

    def silence(self) -> str:
        """Return the item of a silence; what the recogniser is at stays as it is."""
        return self._new_item()

    def started(self, speech: SpeechStarted) -> list[Heard]:
        """The caller began to speak."""
        if speech.start_ms * _SAMPLES_PER_MS < self._over:
            return []  # the news of it comes late: it is over
        return self._show(self._opened(speech.start_ms))

    def partial(self, partial: TranscriptPartial) -> list[Heard]:
        """Words were understood: what is certain of them is told once."""
        said = self._open
        if said is None or not said.is_shown or partial.utterance <= self._utterance:
            return []
        certain = " ".join([*said.pieces, partial.text[: partial.stable]])
        return self._certain(said, certain)

    def drafted(self, draft: TranscriptDraft) -> list[Heard]:
        """The words of an utterance as they will be, should it be over."""
        said = self._open
        if said is None or not self.detects or draft.utterance <= self._utterance:
            return []
        return [Drafted(said.item_id, " ".join(filter(None, [*said.pieces, draft.text])))]

    def resumed(self, _: SpeechResumed) -> list[Heard]:
        """It was not over."""
        return [Resumed()]

    def final(self, final: TranscriptFinal) -> list[Heard]:
        """The settled words of an utterance."""
        if final.utterance <= self._utterance:
            return []  # it was here before
        self._utterance = final.utterance
        for due in self._due:
            if final.end_offset <= due.until:
                return self._add(due, final)
        if final.end_offset <= self._over:
            return []  # nobody waits for it any more
        said = self._opened(final.start_ms)
        heard = self._show(said) + self._add(said, final)
        if not self.detects or final.cause == "length":
            return heard
        return heard + self._ended(said, final.end_offset)

    def failed(self, failure: Failure) -> list[Heard]:
        """The recogniser gave something up: the words of what it was at."""
        for due in self._due:
            if due.is_wanted:
                due.failure = failure
                return []
        said = self._open
        if said is None:
            return []
        said.failure = failure
        return self._ended(said, self._over) if self.detects else []

    def commit(self) -> list[Heard]:
        """The client says that this was it; :meth:`InputBuffer.flush` comes behind.

        Raises:
            BadEvent: There is too little.
        """
        if self._buffer.fresh_ms < LEAST_MS:
            raise BadEvent(
                f"The input audio buffer has {self._buffer.fresh_ms:.2f} ms of audio; "
                f"at least {LEAST_MS} ms are needed.",
                "input_audio_buffer_commit_empty",
            )
        said = self._opened(self._buffer.end // _SAMPLES_PER_MS)
        return [*self._hide(said), Committed(said.item_id, by_pause=False)]

    def clear(self) -> list[Heard]:
        """The client does not mean what it sent; :meth:`close` comes behind."""
        said = self._opened(self._buffer.end // _SAMPLES_PER_MS)
        said.is_wanted = False
        return self._hide(said)

    def close(self, offset: int) -> None:
        """What was committed or cleared goes up to this sample."""
        said = self._open
        if said is not None:
            self._open = None
            said.until = self._over = offset
            self._due.append(said)

    def consumed(self, consumed: AudioConsumed) -> list[Heard]:
        """All words up to a sample were heard."""
        heard: list[Heard] = []
        while self._due and self._due[0].until <= consumed.end_offset:
            heard += self._settle(self._due.popleft())
        return heard

    def give_up(self) -> list[Heard]:
        """The words that are due do not come."""
        heard: list[Heard] = []
        while self._due:
            due = self._due.popleft()
            due.failure = due.failure or LATE
            heard += self._settle(due)
        return heard

    def _opened(self, start_ms: int) -> _Utterance:
        if self._open is None:
            self._open = _Utterance(self._new_item(), start_ms, start_ms)
        return self._open

    def _show(self, said: _Utterance) -> list[Heard]:
        if said.is_shown or not self.detects:
            return []
        said.is_shown = True
        return [SpeechBegan(said.item_id, said.start_ms)]

    def _hide(self, said: _Utterance) -> list[Heard]:
        if not said.is_shown:
            return []
        end_ms = max(said.end_ms, self._buffer.end // _SAMPLES_PER_MS)
        return [SpeechEnded(said.item_id, end_ms)]

    def _add(self, said: _Utterance, final: TranscriptFinal) -> list[Heard]:
        if not said.pieces:
            said.start_ms = min(said.start_ms, final.start_ms)
        said.pieces.append(final.text)
        said.end_ms = max(said.end_ms, final.end_ms)
        return []

    def _ended(self, said: _Utterance, offset: int) -> list[Heard]:
        self._open = None
        self._over = max(self._over, offset)
        self._buffer.forget()
        told = [*self._show(said), SpeechEnded(said.item_id, said.end_ms)]
        return [*told, Committed(said.item_id, by_pause=True), *self._settle(said)]

    def _settle(self, said: _Utterance) -> list[Heard]:
        if not said.is_wanted:
            return []
        settled = said.settled()
        rest = self._certain(said, settled.text) if isinstance(settled, Transcribed) else []
        return [*rest, settled]

    def _certain(self, said: _Utterance, text: str) -> list[Heard]:
        """Tell what is certain behind what was told; nothing where the two do not agree."""
        if not text.startswith(said.told) or text == said.told:
            return []
        delta, said.told = text[len(said.told) :], text
        return [Understood(said.item_id, delta)]
