"""What is said to a caller: in frames, at the pace of speech, hardly ahead of it. Pure.

Time is counted in beats of 20 ms, on a grid that never shifts. An exchange plays what it gets at
once, one frame after the other; how far it has played is known by counting::

    beat      100   101   102   103            until: the beat at which it will have played all
    sent      ###   #     #     #              ahead: until - beat, at most LEAD_BEATS
    until     103   104   105   106

What was sent cannot be unsaid everywhere. So no more is sent than bridges the unevenness of a
network: a caller who interrupts hears the voice for 60 ms more, and hardly notices.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from edge.playback import Playback
from schemas.event import Event
from voicebus.audio.codec import Packing, Sound

BEAT_MS: Final = 20
LEAD_BEATS: Final = 3
"""How far ahead of the caller's ear audio may be sent: 60 ms."""

MARK_EVERY_MS: Final = 200
"""Where an exchange tells what it has played, it is asked as often."""

_MARK_CHARACTERS: Final = 24
_TURNS_KEPT: Final = 8


@dataclass(slots=True)
class _Reply:
    """One turn's audio that was not sent yet.

    Attributes:
        turn: The turn.
        packing: From the reply's samples to the sound of the call.
        coded: What is not sent.
        sent_ms: How much was.
        marked_ms: Up to where marks were set.
        is_whole: Whether nothing will be added.
    """

    turn: int
    packing: Packing
    coded: bytearray = field(default_factory=bytearray)
    sent_ms: float = 0.0
    marked_ms: float = 0.0
    is_whole: bool = False


@dataclass(slots=True)
class Said:
    """What goes out on one beat.

    Attributes:
        audio: Frames, in the sound of the call.
        marks: Names of the marks behind them.
    """

    audio: list[bytes] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)


class Mouth:
    """One call's voice.

    Args:
        sound: What the exchange takes.
        frame_ms: In pieces of which length: a multiple of a beat.
        comfort: A stretch of what is sent while nothing is said; empty: nothing is sent then.
    """

    def __init__(self, sound: Sound, frame_ms: int = BEAT_MS, comfort: bytes = b"") -> None:
        self._sound = sound
        self._beats = frame_ms // BEAT_MS
        self._frame_bytes = sound.size(frame_ms)
        self._comfort = comfort
        self._comfort_at = 0
        self._playback = Playback()
        self._replies: deque[_Reply] = deque()
        self._paused = 0
        self._is_throttled = False
        self._until = 0
        self._beat = 0
        self._sent_ms: dict[int, float] = {}
        self._lag_ms: float | None = None

    @property
    def lead_beats(self) -> int:
        """How many beats ahead it may be: 60 ms, or a long frame and a beat."""
        return max(LEAD_BEATS, self._beats + 1)

    @property
    def is_talking(self) -> bool:
        """Whether there is something that waits to be said."""
        return any(reply.coded or not reply.is_whole for reply in self._replies)

    def begin(self, turn: int, now_s: float) -> None:
        """A turn begins."""
        self._playback.begun(turn, now_s)

    def open(self, turn: int, rate_hz: int) -> None:
        """A turn's audio begins, at its rate."""
        self._replies.append(_Reply(turn, Packing(rate_hz, self._sound)))

    def say(self, pcm: bytes) -> None:
        """Add samples to the audio that was opened last."""
        if self._replies:
            self._replies[-1].coded += self._replies[-1].packing.push(pcm)

    def complete(self, turn: int) -> None:
        """Nothing more is added to a turn's audio."""
        for reply in self._replies:
            if reply.turn == turn and not reply.is_whole:
                reply.coded += reply.packing.finish()
                reply.is_whole = True

    def pause(self, turn: int, now_s: float) -> None:
        """Say nothing for a while."""
        self._paused = turn
        self._playback.paused(turn, now_s)

    def resume(self, turn: int, now_s: float) -> None:
        """Go on."""
        if self._paused == turn:
            self._paused = 0
            self._playback.resumed(turn, now_s)

    def drop(self, turn: int, now_s: float) -> None:
        """Say nothing more of a turn."""
        self._replies = deque(reply for reply in self._replies if reply.turn != turn)
        self.resume(turn, now_s)
        self._playback.cut(turn, now_s)
        if self._lag_ms is not None:
            heard_ms = max(0.0, self._played_ms(turn) - self._lag_ms)
            self._playback.flushed(turn, heard_ms, now_s)

    def cleared(self) -> None:
        """The exchange has nothing any more."""
        self._until = 0

    def end(self, turn: int, now_s: float) -> None:
        """A turn is over: should its audio never have been whole, it is now."""
        self.resume(turn, now_s)
        self.complete(turn)
        if all(reply.turn != turn for reply in self._replies):
            self._playback.completed(turn, now_s)

    def reached(self, mark: str, now_s: float) -> None:
        """The caller has heard all up to a mark."""
        named, _, ms = mark.partition("-")
        if not (named.isdecimal() and ms.isdecimal()) or len(mark) > _MARK_CHARACTERS:
            return  # not one of ours
        turn, heard_ms = int(named), float(ms)
        if turn in self._sent_ms:
            self._lag_ms = max(0.0, self._played_ms(turn) - heard_ms)
            self._playback.heard(turn, heard_ms, now_s)

    def throttle(self, now_s: float) -> None:
        """The exchange takes nothing for a while."""
        self._is_throttled = True
        self._playback.lost(now_s)

    def unthrottle(self, now_s: float) -> None:
        """It does again."""
        self._is_throttled = False
        self._playback.returned({}, now_s)

    def settle(self, now_s: float) -> list[Event]:
        """Return what the workers are to be told by now of what was heard."""
        due_s = self._playback.due_s
        return [] if due_s is None or due_s > now_s else self._playback.settle(now_s)

    def beat(self, beat: int, now_s: float) -> Said:
        """Return what goes out now.

        Args:
            beat: Number of this beat; some may have been left out.
            now_s: The time.
        """
        said = Said()
        self._beat = beat
        if self._is_throttled:
            return said
        while max(self._until, beat) + self._beats - beat <= self.lead_beats:
            frame = self._frame(said, now_s)
            if frame is None:
                break
            said.audio.append(frame)
            self._until = max(self._until, beat) + self._beats
        if not said.audio and self._comfort and self._until <= beat:
            said.audio.append(self._quiet())
            self._until = beat + self._beats
        return said

    def _frame(self, said: Said, now_s: float) -> bytes | None:
        """Take the next frame; None where there is none to be had now."""
        while self._replies and (self._paused == 0 or self._replies[0].turn != self._paused):
            reply = self._replies[0]
            if len(reply.coded) < self._frame_bytes and not reply.is_whole:
                return None
            if not reply.coded:
                self._replies.popleft()
                self._playback.completed(reply.turn, now_s)
                continue
            frame = bytes(reply.coded[: self._frame_bytes])
            del reply.coded[: self._frame_bytes]
            lasts_ms = self._sound.ms(len(frame))
            reply.sent_ms += lasts_ms
            self._note(reply)
            self._playback.sent(reply.turn, lasts_ms, now_s)
            is_last = reply.is_whole and not reply.coded
            if is_last or reply.sent_ms - reply.marked_ms >= MARK_EVERY_MS:
                reply.marked_ms = reply.sent_ms
                said.marks.append(f"{reply.turn}-{int(reply.sent_ms + 0.5)}")
            if is_last:
                self._replies.popleft()
                self._playback.completed(reply.turn, now_s)
            short = self._frame_bytes - len(frame)
            return frame + self._sound.silence(short) if short else frame
        return None

    def _note(self, reply: _Reply) -> None:
        self._sent_ms[reply.turn] = reply.sent_ms
        if len(self._sent_ms) > _TURNS_KEPT:
            del self._sent_ms[min(self._sent_ms)]

    def _played_ms(self, turn: int) -> float:
        """Return how far a turn is by the beats: what was sent, without what is ahead."""
        return self._sent_ms.get(turn, 0.0) - max(0, self._until - self._beat) * BEAT_MS

    def _quiet(self) -> bytes:
        at, size = self._comfort_at, self._frame_bytes
        if at + size > len(self._comfort):
            at = 0
        self._comfort_at = at + size
        return self._comfort[at : at + size]
