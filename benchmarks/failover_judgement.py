"""Each turn held against turns of the same recording that nothing happened to. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import alignment
from benchmarks.alignment import Found, Harm, Samples
from benchmarks.failover_log import SessionLog, served
from benchmarks.failover_turns import Turn
from benchmarks.kills import Kill
from schemas.audio import CALLER_RATE_HZ

BESIDE: Final = "beside"
"""A kill fell into the turn, and others served it: neither harmed nor a measure for others."""

_DETECTED_MS: Final = 100
"""The voice detector looks at windows of 32 ms: by up to so much the same utterance begins and ends
elsewhere."""


class TurnRow(Struct, frozen=True, kw_only=True, tag="turn"):
    """One turn and what it lost.

    Fields
        caller: Which of the callers.
        session: Its session.
        recording: What it said.
        begun_s: When it began to speak, on the callers' clock.
        ended_s: When it had heard all of the answer.
        harm: What was killed in it: a role, ``edge``, ``supervisor``, ``nats``; several with ``+``;
            ``beside`` where another worker served it; empty for an unharmed turn.
        sign: ``kill``, ``stop``, ``restart`` or empty.
        response_ms: From the last word to the first sound; None when there was none.
        stalled_ms: How long the loudspeaker then stood still.
        stt_ms: How long the final took after the end of the turn, as the server says.
        transcript: What the system understood.
        finals: From where to where in the session's audio the utterances lie, in ms.
        words_lost: Of the transcript and the reply.
        words_doubled: The same.
        audio_lost_ms: Of the reply.
        audio_doubled_ms: The same.
        said_lost_ms: Of what the caller said, in the log.
        said_doubled_ms: The same.
        unrecognised_ms: What the caller said that lies outside of the utterances.
        errors: What the caller was told.
        lost: Why the session could not go on; empty if it could.
        late_ms: How late a frame left at most.
    """

    caller: int
    session: str
    recording: str
    begun_s: float
    ended_s: float
    harm: str
    sign: str
    response_ms: float | None
    stalled_ms: float
    stt_ms: float | None
    transcript: str
    finals: Sequence[tuple[int, int]]
    words_lost: int
    words_doubled: int
    audio_lost_ms: float
    audio_doubled_ms: float
    said_lost_ms: float
    said_doubled_ms: float
    unrecognised_ms: float
    errors: Sequence[str]
    lost: str
    late_ms: float


class Measure(Struct, frozen=True, kw_only=True):
    """What turns of one recording are when nothing happens to them.

    Fields
        transcript: What is understood, as :func:`understood` has it.
        reply: The reply's words; empty where each turn is answered with others.
        audio: The reply's audio; empty where it is not the same each time.
        begin_ms: From the begin of the recording to that of the utterance.
        end_ms: From the end of the recording to that of the utterance.
    """

    transcript: tuple[str, ...]
    reply: tuple[str, ...]
    audio: Samples
    begin_ms: float
    end_ms: float


def near(turn: Turn, before_s: float, kills: Sequence[Kill]) -> list[Kill]:
    """Return the kills whose time meets that of a turn and of the pause before it.

    Args:
        turn: The turn.
        before_s: When the caller's turn before it ended.
        kills: All of them; the time of one lasts until the system is whole again.
    """
    return [k for k in kills if before_s <= k.at_s + k.whole_s and k.at_s <= turn.ended_s]


def harmful(turn: Turn, before_s: float, log: SessionLog, kills: Sequence[Kill]) -> list[Kill]:
    """Return those that fell into it, and killed who served it."""
    return [k for k in kills if before_s <= k.at_s <= turn.ended_s and served(log, k)]


def measures(
    turns: Sequence[Turn], places: Sequence[Found], recordings: Mapping[str, Samples], reply: str
) -> dict[str, Measure]:
    """Return the measure of each recording, from turns that nothing happened to.

    Args:
        turns: Those.
        places: Where each turn's recording lies in its session's audio.
        recordings: By name.
        reply: What is always answered; empty where that is not known.
    """
    found = {}
    for name in recordings:
        of_it = [(t, p) for t, p in zip(turns, places, strict=True) if t.recording == name]
        is_typed = not recordings[name].size  # what is typed lies nowhere in the audio
        heard = [
            (t, p) for t, p in of_it if t.transcript and (is_typed or (t.finals and p.begin >= 0))
        ]
        if not heard:
            continue
        said = Counter(understood(turn) for turn, _ in heard).most_common(1)[0][0]
        lengths = Counter(len(turn.audio) for turn, _ in heard)
        usual = lengths.most_common(1)[0][0]
        found[name] = Measure(
            transcript=said,
            reply=tuple(reply.split()),
            audio=next(t.audio for t, _ in heard if len(t.audio) == usual),
            begin_ms=_median(t.finals[0][0] - _ms(p.begin) for t, p in heard if t.finals),
            end_ms=_median(t.finals[-1][1] - _ms(p.end) for t, p in heard if t.finals),
        )
    return found


def understood(turn: Turn) -> tuple[str, ...]:
    """Return the words that were understood, as they can be compared.

    A synthetic engine says how many seconds it was given. A worker that takes over has not heard
    what came before, and may let an utterance begin a little earlier. So what counts is by how much
    it was given more than the utterance is long: a constant, if nothing is missing or doubled.
    """
    words = turn.transcript.split()
    lengths = [at for at, word in enumerate(words) if alignment.number_in(word) is not None]
    if len(lengths) == len(turn.finals):
        for at, (begin_ms, end_ms) in zip(lengths, turn.finals, strict=True):
            words[at] = f"{float(words[at]) - (end_ms - begin_ms) / 1000:.1f}"
    return tuple(words)


def judged(
    turn: Turn,
    place: Found,
    measure: Measure | None,
    around: Sequence[Kill],
    kills: Sequence[Kill],
) -> TurnRow:
    """Hold a turn against its measure; without one only against itself.

    Args:
        turn: The turn.
        place: Where its recording lies in the log.
        measure: Of its recording.
        around: The kills near to it.
        kills: Those of them that harmed it.
    """
    words, sound = Harm(), Harm()
    unrecognised_ms = 0.0
    if not turn.lost:
        words = _words(turn, measure)
        if measure is not None and measure.reply:
            sound = alignment.of_samples(measure.audio, turn.audio)
        if measure is not None and place.begin >= 0:
            unrecognised_ms = _unrecognised_ms(turn, place, measure)
    return TurnRow(
        caller=turn.caller,
        session=turn.session,
        recording=turn.recording,
        begun_s=turn.begun_s,
        ended_s=turn.ended_s,
        harm="+".join(dict.fromkeys(kill.kind for kill in kills)) or (BESIDE if around else ""),
        sign=next((k.sign for k in sorted(kills, key=_is_stop, reverse=True)), ""),
        response_ms=turn.response_ms,
        stalled_ms=turn.stalled_ms,
        stt_ms=turn.stages.get("stt"),
        transcript=turn.transcript,
        finals=turn.finals,
        words_lost=words.lost,
        words_doubled=words.doubled,
        audio_lost_ms=_ms(sound.lost, turn.rate_hz),
        audio_doubled_ms=_ms(sound.doubled, turn.rate_hz),
        said_lost_ms=_ms(place.harm.lost),
        said_doubled_ms=_ms(place.harm.doubled),
        unrecognised_ms=unrecognised_ms,
        errors=turn.errors,
        lost=turn.lost,
        late_ms=turn.late_ms,
    )


def _words(turn: Turn, measure: Measure | None) -> Harm:
    """Return the harm to words: understood, told piece by piece, told as a whole, and spoken."""
    reply = measure.reply if measure is not None and measure.reply else tuple(turn.reply.split())
    spoken = " ".join(turn.spoken)
    harms_ = [alignment.of_words(reply, text.split()) for text in (turn.told, turn.reply, spoken)]
    # The same word may be missing in all three; it is missing once.
    found = Harm(max(h.lost for h in harms_), max(h.doubled for h in harms_))
    if measure is not None:
        found += alignment.of_words(measure.transcript, understood(turn))
    return found


def _unrecognised_ms(turn: Turn, place: Found, measure: Measure) -> float:
    """Return how much later than usual the utterance begins, and how much earlier it ends."""
    if not turn.finals:
        return _ms(place.end - place.begin)
    late_ms = turn.finals[0][0] - _ms(place.begin) - measure.begin_ms
    early_ms = measure.end_ms - (turn.finals[-1][1] - _ms(place.end))
    return sum(ms for ms in (late_ms, early_ms) if ms > _DETECTED_MS)


def _is_stop(kill: Kill) -> bool:
    return kill.sign == "stop"


def _median(values_ms: Iterable[float]) -> float:
    known = list(values_ms)
    return statistics.median(known) if known else 0.0


def _ms(samples: int, rate_hz: int = CALLER_RATE_HZ) -> float:
    return 1000 * samples / rate_hz if rate_hz else 0.0
