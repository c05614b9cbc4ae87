"""Speech to text: the claims on a session's audio, and what is heard in it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.event import Event
from schemas.settings import Language, Line, SessionSettings


class TranscribeRequest(Event, frozen=True, kw_only=True, tag="stt.request"):
    """Job: transcribe this session's audio until the session closes.

    Fields
        settings: How the session is to be.
        live: False for a file, which arrives faster than speech: live callers go first, and
            there are no partials.
        resumed: True when the session was at another edge before: it is heard from there on.
        utterance: Number of the last final that the client has from there.
        life: The edge's life in which it asks: it knows nothing of what it asked in another.
    """

    settings: SessionSettings = SessionSettings()
    live: bool = True
    resumed: bool = False
    utterance: int = 0
    life: str = ""


class SpeechStarted(Event, frozen=True, kw_only=True, tag="stt.speech_started"):
    """The caller began to speak.

    Fields
        start_ms: Audio time of the first speech, from the session's start.
    """

    start_ms: int


class TranscriptPartial(Event, frozen=True, kw_only=True, tag="stt.partial"):
    """What has been understood of the running utterance; the next one replaces it.

    Fields
        utterance: Number of the utterance in the session, from 1.
        text: Unstable text, never empty.
        start_ms: Audio time at which the utterance begins.
        end_ms: Audio time up to which it was recognised.
        stable: How many characters at the head of ``text`` will not change any more.
    """

    utterance: int
    text: str
    start_ms: int
    end_ms: int
    stable: int = 0


class SpeechPaused(Event, frozen=True, kw_only=True, tag="stt.speech_paused"):
    """The caller has fallen silent for a moment: a final is being made in case it was the end.

    Fields
        utterance: Number of the utterance in the session, from 1.
        end_ms: Audio time of the last speech.
        speech_ms: How much of the utterance was speech.
        final_due_ms: Within how long this worker's finals come after an end of turn, in 99 of
            100 cases; who waits for the final need not wait longer.
    """

    utterance: int
    end_ms: int
    speech_ms: int = 0
    final_due_ms: int = 0


class SpeechResumed(Event, frozen=True, kw_only=True, tag="stt.speech_resumed"):
    """The pause was only a pause: what was drafted for this utterance no longer counts.

    Fields
        utterance: Number of the utterance in the session, from 1.
        start_ms: Audio time at which speech went on.
    """

    utterance: int
    start_ms: int


class TranscriptDraft(Event, frozen=True, kw_only=True, tag="stt.draft"):
    """The final as it will be, should the caller say nothing more in this turn.

    A worker may begin to answer it; nothing of that may be heard before the final has come.

    Fields
        utterance: Number of the utterance in the session, from 1.
        text: What was said so far, never empty.
        end_ms: Audio time of the last speech.
        completion: Probability that the turn is complete, 0 to 1, as far as it can be heard;
            -1 when nobody judged it.
        compute_ms: How long the recogniser worked.
    """

    utterance: int
    text: str
    end_ms: int
    completion: float = -1.0
    compute_ms: float = 0.0


class Word(Struct, frozen=True, array_like=True):
    """A word and when it was said.

    Fields
        text: The word with its punctuation.
        start_ms: Audio time of its beginning, from the session's start.
        end_ms: Audio time of its end.
    """

    text: str
    start_ms: int
    end_ms: int


class TranscriptFinal(Event, frozen=True, kw_only=True, tag="stt.final"):
    """The settled text of one utterance.

    Fields
        utterance: Number of the utterance in the session, from 1.
        text: What was said; empty when there was sound but no speech in it.
        start_ms: Audio time of the first speech sample.
        end_ms: Audio time of the last speech sample.
        end_offset: Sample index up to which the audio has been consumed; a worker that takes
            over goes on from here.
        language: ISO 639-1 code of the language that was recognised.
        confidence: Mean probability per token, 0 to 1.
        hold_ms: Audio time between the last speech and the decision that the utterance is over.
        compute_ms: Time from that decision to this message.
        cause: What ended the utterance: a ``pause``, its ``length`` (the caller speaks on), or
            ``forced`` (the caller ended the audio, or sent none any more).
        completion: Probability that the turn was complete, 0 to 1, as it was judged last; -1 when
            nobody judged it.
        words: The times of the words, when the session wants them.
        synthetic: True when no real engine was asked.
    """

    utterance: int
    text: str
    start_ms: int
    end_ms: int
    end_offset: int
    language: str = ""
    confidence: float = 0.0
    hold_ms: int = 0
    compute_ms: float = 0.0
    cause: Literal["pause", "length", "forced"] = "pause"
    completion: float = -1.0
    words: tuple[Word, ...] = ()
    synthetic: bool = False


class SilenceHeard(Event, frozen=True, kw_only=True, tag="stt.silence"):
    """Nothing that was heard up to here is of use any more: who takes over need not hear it again.

    Fields
        end_offset: Sample index at which a worker that takes over may begin.
    """

    end_offset: int


class AudioConsumed(Event, frozen=True, kw_only=True, tag="stt.consumed"):
    """All audio up to the caller's ``AudioEnded`` has been recognised; its finals came before.

    Fields
        end_offset: The ``offset`` of that ``AudioEnded``.
        finals: How many finals with words came from the audio since the one before.
    """

    end_offset: int
    finals: int


class RecogniseRequest(Event, frozen=True, kw_only=True, tag="stt.recognise"):
    """Job: recognise one passage of a recording, all of whose audio is stored already.

    A long recording is as many jobs as it has passages, so that many workers share it. ``turn`` is
    the passage's number, from 1, and ``revision`` that of the attempt.

    Fields
        start: Index of its first sample within the session.
        cut_from: Behind this sample, the first silence ends the passage.
        end: One past the last sample that may belong to it.
        stored: Stream sequence in AUDIO from which on its audio is found.
        language: ISO 639-1 code of what is spoken; empty to detect it.
        languages: The only ones that detection may find; empty for all.
        vocabulary: What comes before, or names to expect: the recogniser is led by it.
        word_times: Whether the time of each word is wanted.
        translate: True for English text, whatever is spoken.
    """

    start: int
    cut_from: int
    end: int
    stored: int = 1
    language: Language = ""
    languages: Annotated[tuple[Language, ...], Meta(max_length=32)] = ()
    vocabulary: Line = ""
    word_times: bool = False
    translate: bool = False


class PassageCut(Event, frozen=True, kw_only=True, tag="stt.passage_cut"):
    """Where a passage ends is known: the next one may be given out, while this one is recognised.

    Fields
        end: One past its last sample: in a silence, if there was one.
    """

    end: int


class Segment(Struct, frozen=True, array_like=True):
    """An utterance of a recording.

    Fields
        text: What was said, never empty.
        start_ms: Audio time of the first speech, from the session's start.
        end_ms: Audio time of the last speech.
        confidence: Geometric mean of the tokens' probabilities, 0 to 1.
        no_speech: The engine's own probability that there was no speech, 0 to 1.
        words: The times of the words, where they are wanted and the engine knows them.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float = 0.0
    no_speech: float = 0.0
    words: tuple[Word, ...] = ()


class PassageRecognised(Event, frozen=True, kw_only=True, tag="stt.passage"):
    """All that was said in one passage of a recording.

    Fields
        start: Index of its first sample.
        end: One past its last sample; the next passage begins there.
        segments: What was said, in order; empty when nobody spoke.
        language: ISO 639-1 code, given or detected; empty when nobody spoke.
        compute_ms: How long the recogniser worked.
        synthetic: True when no real engine was asked.
    """

    start: int
    end: int
    segments: tuple[Segment, ...] = ()
    language: str = ""
    compute_ms: float = 0.0
    synthetic: bool = False
