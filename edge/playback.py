"""How far each turn's audio was heard: as the client reports it, or by a clock. Pure.

A client that reports is believed within what it was sent. For one that never does, a clock stands
in: audio plays from the moment it is sent, one turn after the other, and stands still between
pause and resume.

While the client cannot be reached nothing is known, so nothing counts as heard. When it is back it
has played on with what it had received, and that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.event import Event
from schemas.session import PlaybackEnded, Played

END_MS: Final = 20.0
"""A reply of which no more than this is missing was heard to its end."""

REPORT_S: Final = 0.25
"""The workers are told no more often than this."""

FLUSHED_S: Final = 0.3
"""How long a client that reports may take to say where it stopped."""

STUCK_S: Final = 5.0
"""A client that reports no progress for this long, after all should be over, reports no more."""

_GRAIN_MS: Final = 1e-4
"""Sums of many short stretches are not more exact."""


@dataclass(slots=True)
class _Reply:
    """One turn's audio.

    Attributes:
        turn: The turn.
        progress_s: When it was last known to go on, by the clock or by the client.
        sent_ms: Length of what was sent.
        clock_ms: How far it is by the clock.
        reported_ms: How far the client says that it is.
        told_ms: How far the workers were told that it is.
        is_complete: Whether nothing will be added.
        is_exact: Whether the client has said where it stopped.
        cut_s: When it is to be known how much was heard of a reply that was given up.
    """

    turn: int
    progress_s: float
    sent_ms: float = 0.0
    clock_ms: float = 0.0
    reported_ms: float = 0.0
    told_ms: int = 0
    is_complete: bool = False
    is_exact: bool = False
    cut_s: float | None = None

    @property
    def left_ms(self) -> float:
        """What the clock has before it."""
        left_ms = self.sent_ms - self.clock_ms
        return left_ms if left_ms > _GRAIN_MS else 0.0

    def report(self, played_ms: float) -> bool:
        """Take the client's word, within reason; return whether it is news."""
        bounded_ms = min(max(played_ms, self.reported_ms), self.sent_ms)
        is_news = bounded_ms > self.reported_ms
        self.reported_ms = bounded_ms
        return is_news


class Playback:
    """What one client has heard. Times are seconds of the owner's clock, and never go back.

    Whoever changes something calls :meth:`settle` at once or by :attr:`due_s`.
    """

    def __init__(self) -> None:
        self._replies: dict[int, _Reply] = {}
        self._last = 0
        self._reports = False
        self._paused = 0
        self._is_lost = False
        self._now_s = 0.0
        self._played_s = 0.0
        self._told_s = -REPORT_S

    @property
    def due_s(self) -> float | None:
        """When there will be something to settle; None when nothing is to be expected."""
        moments = [self._over_s(reply) for reply in self._replies.values()]
        if self._news() is not None:
            moments.append(max(self._told_s + REPORT_S, self._now_s))
        return min((moment for moment in moments if moment is not None), default=None)

    def begun(self, turn: int, now_s: float) -> None:
        """A turn begins; nothing more is added to the ones before it."""
        self._advance(now_s)
        if turn <= self._last:
            return
        self._last = turn
        for earlier in self._replies.values():
            earlier.is_complete = True
        self._replies[turn] = _Reply(turn, now_s)

    def sent(self, turn: int, duration_ms: float, now_s: float) -> None:
        """Audio of a turn went to the client."""
        self._advance(now_s)
        if (reply := self._replies.get(turn)) is not None:
            reply.sent_ms += duration_ms
            reply.progress_s = now_s

    def completed(self, turn: int, now_s: float) -> None:
        """Nothing more of this turn will be sent."""
        self._advance(now_s)
        if (reply := self._replies.get(turn)) is not None and not reply.is_complete:
            reply.is_complete = True
            reply.progress_s = now_s

    def heard(self, turn: int, played_ms: float, now_s: float) -> None:
        """The client says how far it is."""
        self._advance(now_s)
        if 0 < turn <= self._last:
            self._reports = True
        reply = self._replies.get(turn)
        if reply is not None and reply.report(played_ms):
            reply.progress_s = now_s

    def flushed(self, turn: int, played_ms: float, now_s: float) -> None:
        """The client says where it stopped; that counts only when it was asked to."""
        self._advance(now_s)
        reply = self._replies.get(turn)
        if reply is not None and reply.cut_s is not None:
            reply.report(played_ms)
            reply.is_exact = True
            reply.cut_s = now_s

    def cut(self, turn: int, now_s: float) -> None:
        """The turn was given up; the client is told to drop the rest."""
        self._advance(now_s)
        if self._paused == turn:
            self._paused = 0
        reply = self._replies.get(turn)
        if reply is None or reply.cut_s is not None:
            return
        if not self._reports:
            reply.reported_ms = reply.clock_ms
        reply.is_exact = not reply.sent_ms
        waits = self._reports and not reply.is_exact
        reply.cut_s = now_s + FLUSHED_S if waits else now_s

    def paused(self, turn: int, now_s: float) -> None:
        """The client is told to stop for a while."""
        self._advance(now_s)
        self._paused = turn

    def resumed(self, turn: int, now_s: float) -> None:
        """The client is told to go on."""
        self._advance(now_s)
        if self._paused == turn:
            self._paused = 0
            if (reply := self._replies.get(turn)) is not None:
                reply.progress_s = now_s

    def lost(self, now_s: float) -> None:
        """The client cannot be reached."""
        self._advance(now_s)
        self._is_lost = True

    def returned(self, missing_ms: Mapping[int, float], now_s: float) -> None:
        """The client is back, and is sent anew what it did not receive.

        Args:
            missing_ms: How much of which turns' audio that is.
            now_s: The time.
        """
        replies = self._replies
        missing_ms = {turn: ms for turn, ms in missing_ms.items() if turn in replies}
        for turn, ms in missing_ms.items():
            replies[turn].sent_ms -= ms
            replies[turn].clock_ms = min(replies[turn].clock_ms, replies[turn].sent_ms)
        self._is_lost = False
        self._advance(now_s)
        for turn, ms in missing_ms.items():
            replies[turn].sent_ms += ms
        for reply in replies.values():
            reply.progress_s = self._now_s

    def settle(self, now_s: float) -> list[Event]:
        """Return what the workers are to be told by now."""
        self._advance(now_s)
        events: list[Event] = []
        for reply in list(self._replies.values()):
            over_s = self._over_s(reply)
            if over_s is not None and over_s <= self._now_s:
                events.append(self._ended(reply))
        for ended in events:
            del self._replies[ended.turn]
        news = self._news()
        if news is not None and self._now_s >= self._told_s + REPORT_S:
            self._told_s = self._now_s
            news.told_ms = _whole(news.reported_ms)
            events.append(Played(turn=news.turn, played_ms=news.told_ms))
        return events

    def _ended(self, reply: _Reply) -> PlaybackEnded:
        if reply.cut_s is None and not self._reports:
            return PlaybackEnded(turn=reply.turn, played_ms=_whole(reply.sent_ms), estimated=True)
        is_known = reply.is_exact if reply.cut_s is not None else self._is_played(reply)
        played_ms = _whole(reply.reported_ms)
        return PlaybackEnded(turn=reply.turn, played_ms=played_ms, estimated=not is_known)

    def _over_s(self, reply: _Reply) -> float | None:
        """When nothing more of a reply will be heard; None when that is not to be foreseen."""
        if reply.cut_s is not None:
            return reply.cut_s
        if self._is_lost or not reply.is_complete:
            return None
        if self._reports and self._is_played(reply):
            return self._now_s
        ends_s = self._ends_s(reply)
        if ends_s is None or not self._reports:
            return ends_s
        return (max(ends_s, reply.progress_s) if reply.left_ms else reply.progress_s) + STUCK_S

    def _ends_s(self, reply: _Reply) -> float | None:
        """When a reply ends by the clock."""
        if self._paused:
            return None
        left_ms = 0.0
        for queued in self._queue():
            left_ms += queued.left_ms
            if queued is reply:
                break
            if not queued.is_complete:
                return None
        return self._now_s + left_ms / 1000

    def _advance(self, now_s: float) -> None:
        self._now_s = max(self._now_s, now_s)
        if self._is_lost:
            return
        at_s, self._played_s = self._played_s, self._now_s
        if self._paused:
            return
        for reply in self._queue():
            if reply.left_ms:
                step_ms = min((self._now_s - at_s) * 1000, reply.left_ms)
                reply.clock_ms += step_ms
                at_s += step_ms / 1000
                reply.progress_s = max(reply.progress_s, at_s)
            if reply.left_ms or not reply.is_complete:
                return

    def _queue(self) -> list[_Reply]:
        return [reply for reply in self._replies.values() if reply.cut_s is None]

    def _news(self) -> _Reply | None:
        for reply in reversed(self._replies.values()):
            if reply.cut_s is None and _whole(reply.reported_ms) > reply.told_ms:
                return reply
        return None

    @staticmethod
    def _is_played(reply: _Reply) -> bool:
        return reply.reported_ms >= reply.sent_ms - END_MS


def _whole(ms: float) -> int:
    return int(ms + _GRAIN_MS)
