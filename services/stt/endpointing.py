"""Where utterances begin and end: a pure state machine on audio time.

Each window of 512 samples brings a probability of speech; what comes out are events whose
times are sample indices of the session. There is no clock and no I/O in here: the same
probabilities and holds give the same events, live or replayed.

::

    silent ──speech for min_speech──> speaking ──quiet for soft_pause──> pause announced
       ^                                 ^                                  │        │
       │                                 └──────────speech again────────────┘        │
       └────────────────quiet for the hold, max_utterance, or force──────────────────┘

The hold is ``end_pause_ms``, or that of one pause what :meth:`Endpointer.hold` sets.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from schemas.audio import CALLER_RATE_HZ
from services.stt.marks import (
    Cause,
    Mark,
    PauseStarted,
    SpeechResumed,
    SpeechStarted,
    UtteranceEnded,
)
from voicebus.errors import ConfigError

WINDOW_SAMPLES = 512
"""Length of a window: 32 ms, the only one that Silero VAD knows at 16 kHz."""

SPLIT_SEARCH_MS = 8_000
"""How far back an utterance that grew too long is searched for its quietest point."""

LONGEST_STALL_MS = 3_000
"""Who falls silent in the middle of a word for so long, because no audio comes, has stopped."""

SMEAR_SAMPLES = WINDOW_SAMPLES
"""Taken back from the end of speech: Silero's probability falls one to two windows late."""


class EndpointingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When speech begins, pauses and ends.

    Fields
        threshold_on: Probability from which a window is speech.
        threshold_off: Probability below which running speech turns quiet.
        min_speech_ms: Speech shorter than this starts no utterance.
        resume_ms: Speech shorter than this does not break a pause (a click, a breath).
        soft_pause_ms: Quiet after which :class:`PauseStarted` comes.
        end_pause_ms: Quiet after which the utterance is over: the hold, unless it is set.
        max_utterance_ms: An utterance is split before it is longer than this.
        pad_ms: Audio before the first speech that belongs to the utterance.

    Raises:
        ConfigError: The values contradict each other.
    """

    threshold_on: float = 0.5
    threshold_off: float = 0.35
    min_speech_ms: int = 100
    resume_ms: int = 64
    soft_pause_ms: int = 200
    end_pause_ms: int = 600
    max_utterance_ms: int = 28_000
    pad_ms: int = 600

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold_off <= self.threshold_on < 1.0:
            raise ConfigError("endpointing needs 0 < threshold_off <= threshold_on < 1")
        if not 0 < self.soft_pause_ms <= self.end_pause_ms:
            raise ConfigError("endpointing needs 0 < soft_pause_ms <= end_pause_ms")
        if not 2_000 <= self.max_utterance_ms <= 29_000:
            raise ConfigError(
                "endpointing needs max_utterance_ms from 2000 to 29000: engines take 30 s at once"
            )
        if not (0 <= self.min_speech_ms <= 1_000 and 0 <= self.resume_ms <= 1_000):
            raise ConfigError("endpointing needs min_speech_ms and resume_ms from 0 to 1000")
        if not 0 <= self.pad_ms <= 1_000:
            raise ConfigError("endpointing needs pad_ms from 0 to 1000")


@dataclass(slots=True)
class _Utterance:
    """The utterance that is running. ``probabilities`` has one entry per window since ``first``."""

    start: int
    speech: int
    first: int
    probabilities: list[float]
    hold: int
    quiet_from: int | None = None
    announced: bool = False


class Endpointer:
    """Turns the probabilities of one session into events. The session owns it."""

    def __init__(self, settings: EndpointingSettings, sample: int = 0) -> None:
        """Begin at ``sample``: 0, or where a worker that took over goes on from."""
        self._settings = settings
        self._position = sample
        self._floor = sample
        self._rising: list[float] = []
        self._running: _Utterance | None = None

    @property
    def utterance_start(self) -> int | None:
        """First sample of the running utterance, or None when nobody speaks."""
        return self._running.start if self._running else None

    @property
    def idle(self) -> bool:
        """True while nobody speaks or may be beginning to."""
        return self._running is None and not self._rising

    @property
    def quiet(self) -> bool:
        """True while the running utterance has fallen silent, be it for one window."""
        return self._running is not None and self._running.quiet_from is not None

    @property
    def quiet_ms(self) -> int:
        """How long the running utterance has been silent."""
        if self._running is None or self._running.quiet_from is None:
            return 0
        return (self._position - self._running.quiet_from) * 1000 // CALLER_RATE_HZ

    @property
    def keep_from(self) -> int:
        """Oldest sample that an event can still point to; audio before it may be dropped."""
        if self._running:
            return self._running.start
        return self._padded(self._position - len(self._rising) * WINDOW_SAMPLES)

    def push(self, probability: float) -> tuple[Mark, ...]:
        """Take the next window of 512 samples in."""
        self._position += WINDOW_SAMPLES
        if self._running is None:
            return self._listen(probability)
        return self._follow(self._running, probability)

    def hold(self, hold_ms: int) -> tuple[Mark, ...]:
        """Let the announced pause end the utterance once it is as long; it may be by now."""
        running = self._running
        if running is None or not running.announced:
            return ()
        running.hold = _samples(hold_ms)
        return self._over(running)

    def stall(self, stalled_ms: int) -> tuple[Mark, ...]:
        """End a running utterance if no audio has come for too long: that is silence, too.

        Args:
            stalled_ms: For so long, by the clock. It counts as part of a pause that has begun;
                who was speaking is waited for longer, because the connection may be bad.
        """
        running = self._running
        if running is None:
            return ()
        is_silent = running.quiet_from is not None and not self._rising
        hold_ms = running.hold * 1000 // CALLER_RATE_HZ if is_silent else LONGEST_STALL_MS
        if self.quiet_ms * is_silent + stalled_ms < hold_ms:
            return ()
        return self.force(self._position)

    def force(self, sample: int) -> tuple[Mark, ...]:
        """End a running utterance: the caller ended the audio at ``sample``.

        Windows that are pushed afterwards begin at ``sample``.
        """
        running, rising = self._running, self._rising
        self._position, self._running, self._rising = sample, None, []
        if running is None:
            self._floor = max(self._floor, sample)
            return ()
        end = sample if running.quiet_from is None or rising else min(running.quiet_from, sample)
        self._floor = sample
        return (self._ended(running, end, "forced"),)

    def _listen(self, probability: float) -> tuple[Mark, ...]:
        settings = self._settings
        entry = settings.threshold_off if self._rising else settings.threshold_on
        if probability < entry:
            self._rising = []
            return ()
        self._rising.append(probability)
        if len(self._rising) < _windows(settings.min_speech_ms):
            return ()
        first = self._position - len(self._rising) * WINDOW_SAMPLES
        self._running = self._begun(self._padded(first), first, self._rising)
        self._rising = []
        return (SpeechStarted(self._running.start, first),)

    def _follow(self, running: _Utterance, probability: float) -> tuple[Mark, ...]:
        running.probabilities.append(probability)
        events: list[Mark] = []
        if running.quiet_from is None:
            if probability < self._settings.threshold_off:
                running.quiet_from = self._quiet_from(running)
        else:
            events += self._resume(running, probability)
            if self._running is not running:
                return tuple(events)
        if running.quiet_from is not None and not self._rising:
            quiet = self._position - running.quiet_from
            if not running.announced and quiet >= _samples(self._settings.soft_pause_ms):
                running.announced = True
                end, speech_ms = running.quiet_from, self._speech_ms(running, running.quiet_from)
                events.append(PauseStarted(running.start, end, self._position, speech_ms))
            if over := self._over(running):
                return (*events, *over)
        # Who is silent does not grow; a pause that began in time is waited out.
        if running.quiet_from is None and self._is_too_long(running):
            events += self._split(running)
        return tuple(events)

    def _resume(self, running: _Utterance, probability: float) -> tuple[Mark, ...]:
        settings = self._settings
        entry = settings.threshold_off if self._rising else settings.threshold_on
        if probability < entry:
            self._rising = []
            return ()
        self._rising.append(probability)
        if len(self._rising) < _windows(settings.resume_ms):
            return ()
        sample = self._position - len(self._rising) * WINDOW_SAMPLES
        announced, end = running.announced, running.quiet_from or sample
        rising, self._rising = self._rising, []
        if self._is_too_long(running):
            ended, self._floor = self._ended(running, end, "length"), end
            self._running = self._begun(self._padded(sample), sample, rising)
            return (ended, SpeechStarted(self._running.start, sample))
        running.quiet_from, running.announced = None, False
        running.hold = _samples(settings.end_pause_ms)
        return (SpeechResumed(sample, end),) if announced else ()

    def _over(self, running: _Utterance) -> tuple[Mark, ...]:
        quiet_from = running.quiet_from
        # Speech that is just rising may break the pause.
        if quiet_from is None or self._rising or self._position - quiet_from < running.hold:
            return ()
        self._running, self._floor = None, quiet_from
        return (self._ended(running, quiet_from, "pause"),)

    def _split(self, running: _Utterance) -> tuple[Mark, ...]:
        cut = running.first + _quietest(running.probabilities) * WINDOW_SAMPLES
        tail = running.probabilities[(cut - running.first) // WINDOW_SAMPLES :]
        ended = self._ended(running, cut, "length")
        self._running, self._floor = self._begun(cut, cut, tail), cut
        return (ended, SpeechStarted(cut, cut))

    def _is_too_long(self, running: _Utterance) -> bool:
        return self._position - running.start > _samples(self._settings.max_utterance_ms)

    def _begun(self, start: int, speech: int, probabilities: list[float]) -> _Utterance:
        hold = _samples(self._settings.end_pause_ms)
        return _Utterance(start, speech, speech, probabilities, hold)

    def _quiet_from(self, running: _Utterance) -> int:
        fallen = self._position - WINDOW_SAMPLES
        return max(running.speech + WINDOW_SAMPLES, fallen - SMEAR_SAMPLES)

    def _ended(self, running: _Utterance, end: int, cause: Cause) -> UtteranceEnded:
        return UtteranceEnded(
            start_sample=running.start,
            speech_sample=running.speech,
            end_sample=end,
            decided_sample=self._position,
            speech_ms=self._speech_ms(running, end),
            cause=cause,
        )

    def _speech_ms(self, running: _Utterance, end: int) -> int:
        windows = running.probabilities[: max(0, end - running.first) // WINDOW_SAMPLES]
        spoken = sum(probability >= self._settings.threshold_off for probability in windows)
        return spoken * WINDOW_SAMPLES * 1000 // CALLER_RATE_HZ

    def _padded(self, first: int) -> int:
        return max(self._floor, first - _samples(self._settings.pad_ms))


def _quietest(probabilities: list[float]) -> int:
    """Return the index of the window to split at: the least speech over three windows."""
    oldest = max(1, len(probabilities) - _windows(SPLIT_SEARCH_MS))
    windows = range(oldest, len(probabilities) - 1)
    return min(windows, key=lambda index: sum(probabilities[index - 1 : index + 2]))


def _samples(milliseconds: int) -> int:
    return milliseconds * CALLER_RATE_HZ // 1000


def _windows(milliseconds: int) -> int:
    return max(1, round(_samples(milliseconds) / WINDOW_SAMPLES))
