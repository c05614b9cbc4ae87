"""What endpointing finds in a session's audio. All times are sample indices of the session."""

from __future__ import annotations

from typing import Literal

import msgspec

Cause = Literal["pause", "length", "forced"]


class SpeechStarted(msgspec.Struct, frozen=True):
    """An utterance began.

    Fields
        start_sample: First sample that belongs to it, padding included.
        speech_sample: First sample of speech.
    """

    start_sample: int
    speech_sample: int


class PauseStarted(msgspec.Struct, frozen=True):
    """The speaker has been quiet for the soft pause: the moment to recognise early.

    Unless :class:`SpeechResumed` follows, what is recognised up to here is the final.

    Fields
        start_sample: First sample of the utterance.
        end_sample: One past the last sample of speech.
        decided_sample: Where the audio stood when this was said.
        speech_ms: How much of the utterance was speech.
    """

    start_sample: int
    end_sample: int
    decided_sample: int
    speech_ms: int


class SpeechResumed(msgspec.Struct, frozen=True):
    """The pause was only a pause: what was recognised early is not the final.

    Fields
        sample: First sample of the new speech.
        end_sample: One past the last sample of speech before it.
    """

    sample: int
    end_sample: int = 0


class UtteranceEnded(msgspec.Struct, frozen=True):
    """The utterance is over. ``decided_sample - end_sample`` is the hold.

    Fields
        start_sample: First sample that belongs to it, padding included.
        speech_sample: First sample of speech.
        end_sample: One past the last sample of speech; after a split by length the next
            utterance begins exactly here.
        decided_sample: Where the audio stood when this was decided.
        speech_ms: How much of the utterance was speech.
        cause: ``pause``, ``length`` (split at the quietest recent point) or ``forced``.
    """

    start_sample: int
    speech_sample: int
    end_sample: int
    decided_sample: int
    speech_ms: int
    cause: Cause


Mark = SpeechStarted | PauseStarted | SpeechResumed | UtteranceEnded
