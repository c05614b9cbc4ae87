"""A recording on its way through the fleet: which passages are given out, and what came of them.

Pure: what was stored and heard goes in, what is to be asked comes out. A passage ends where its
worker finds silence, so the next one can be given out once that is known; after that they are
recognised side by side. As long as nobody knows the language there is one passage at a time: one
recording has one language, and a passage of few words would often be taken for another.

::

    stored audio   |--------------------------------------------------|......
    passages       |== 1 ==|=== 2 ===|== 3 ==|~~ 4: cut not known ~~|
                   told     waits     told     in the workers' hands
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.audio import CALLER_RATE_HZ
from schemas.event import Event
from schemas.stt import PassageCut, PassageRecognised, RecogniseRequest
from voicebus.errors import EngineError, EngineTimeout

SHORTEST_SAMPLES: Final = 30 * CALLER_RATE_HZ
"""A passage ends in the first silence behind this."""

LONGEST_SAMPLES: Final = 60 * CALLER_RATE_HZ
"""It may have as many: workers split utterances of 28 s, so there is a place to cut before."""

REST_SAMPLES: Final = 45 * CALLER_RATE_HZ
"""What is left at the end is one passage, if it is no longer than this."""

MAX_ATTEMPTS: Final = 3
"""How often a passage is asked for, when workers fail or their answers may have been missed."""


@dataclass(slots=True)
class _Passage:
    request: RecogniseRequest
    cut: int | None = None
    result: PassageRecognised | None = None


class Passages:
    """The passages of one recording.

    Args:
        asked: What all requests have in common; their places are filled in here.
        limit: How many passages may be in the workers' hands at once.
    """

    def __init__(self, asked: RecogniseRequest, limit: int) -> None:
        self._asked = asked
        self._limit = limit
        self._stored = 0
        self._chunks: deque[tuple[int, int]] = deque()  # where it begins, and its sequence
        self._is_ended = False
        self._start = 0
        self._passages: dict[int, _Passage] = {}
        self._told = 0
        self._disputed: set[int] = set()

    @property
    def language(self) -> str:
        """ISO 639-1 code of what is spoken; empty while nobody knows."""
        return self._asked.language

    @property
    def stored(self) -> int:
        """How many samples are stored."""
        return self._stored

    @property
    def wanted(self) -> int:
        """Up to which sample audio is of use now: what is further would only lie there."""
        return self._start + 2 * LONGEST_SAMPLES

    @property
    def is_complete(self) -> bool:
        """Whether everything that was said has been told."""
        if not self._is_ended or self._told < len(self._passages):
            return False
        return self._start >= self._stored and self._is_next_known

    def store(self, samples: int, sequence: int) -> None:
        """Note that the next so many samples are stored, in one message."""
        self._chunks.append((self._stored, sequence))
        self._stored += samples

    def end(self) -> None:
        """Note that the recording has no more audio."""
        self._is_ended = True

    def requests(self) -> list[RecogniseRequest]:
        """Return what is to be asked now; it is taken for asked."""
        found: list[RecogniseRequest] = []
        while (request := self._next()) is not None:
            self._passages[request.turn] = _Passage(request)
            found.append(request)
        return found

    def take(self, event: Event) -> Sequence[PassageRecognised]:
        """Take what a worker said; return the results that may be told now, in order.

        Raises:
            EngineError: It makes no sense.
        """
        match event:
            case PassageCut(turn=number) if number in self._passages:
                self._cut(self._passages[number], event.end)
            case PassageRecognised(turn=number) if number in self._passages:
                passage = self._passages[number]
                self._cut(passage, event.end)
                if passage.cut != event.end:
                    self._disputed.add(number)
                elif passage.result is None:
                    passage.result = event
        return self._released()

    def again(self, number: int = 0) -> list[RecogniseRequest]:
        """Return what is to be asked once more: it failed, or what was said may have been missed.

        Args:
            number: Of the passage; 0 for all that have no result.

        Raises:
            EngineTimeout: It was asked often enough.
        """
        found: list[RecogniseRequest] = []
        for passage in self._passages.values():
            if passage.result is not None or number not in (0, passage.request.turn):
                continue
            attempt = passage.request.revision + 1
            if attempt >= MAX_ATTEMPTS:
                raise EngineTimeout("the recording was given out several times, without an answer")
            request = msgspec.structs.replace(passage.request, revision=attempt)
            if passage.cut is not None:
                request = msgspec.structs.replace(request, cut_from=passage.cut, end=passage.cut)
            passage.request = request
            found.append(request)
        return found

    def awaits(self, number: int, revision: int) -> bool:
        """Whether this attempt at a passage is the newest, and nobody has answered yet."""
        passage = self._passages.get(number)
        if passage is None or passage.result is not None:
            return False
        return passage.request.revision == revision

    def disputed(self) -> list[int]:
        """Return the passages to be asked again because two workers cut them in two places.

        The first cut counts, as the next passage has begun there. A worker that was replaced while
        it was stopped may have told it, and the log does not have it.
        """
        numbers = [n for n in sorted(self._disputed) if self._passages[n].result is None]
        self._disputed.clear()
        return numbers

    @property
    def _is_next_known(self) -> bool:
        """Whether the newest passage has told where the next one begins."""
        newest = self._passages.get(len(self._passages))
        return newest is None or newest.cut is not None

    def _next(self) -> RecogniseRequest | None:
        running = sum(passage.result is None for passage in self._passages.values())
        limit = self._limit if self.language else 1
        if running >= limit or not self._is_next_known or self._start >= self._stored:
            return None
        left = self._stored - self._start
        if left < LONGEST_SAMPLES and not self._is_ended:
            return None
        is_last = self._is_ended and left <= REST_SAMPLES
        end = self._start + min(left, LONGEST_SAMPLES)
        return msgspec.structs.replace(
            self._asked,
            start=self._start,
            cut_from=end if is_last else self._start + SHORTEST_SAMPLES,
            end=end,
            stored=self._sequence(),
            turn=len(self._passages) + 1,
        )

    def _sequence(self) -> int:
        """Return where the next passage's first sample is stored."""
        while len(self._chunks) > 1 and self._chunks[1][0] <= self._start:
            self._chunks.popleft()
        return self._chunks[0][1]

    def _cut(self, passage: _Passage, end: int) -> None:
        if passage.cut is not None:
            return
        if not passage.request.start < end <= passage.request.end:
            raise EngineError("a worker has cut a recording outside of what it was given")
        passage.cut = end
        self._start = end

    def _released(self) -> list[PassageRecognised]:
        found: list[PassageRecognised] = []
        while (passage := self._passages.get(self._told + 1)) is not None and passage.result:
            self._told += 1
            found.append(passage.result)
            if not self.language and passage.result.language:
                self._asked = msgspec.structs.replace(self._asked, language=passage.result.language)
        return found
