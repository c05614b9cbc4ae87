"""Which words of a reply were heard, from where its audio stopped: pure."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.tts import ClauseSpoken


def words_heard(spoken: Iterable[ClauseSpoken], played_ms: int) -> str:
    """Return the words whose audio had ended when playback stopped.

    A word that was cut off was not heard. Fillers are no words of the reply.

    Args:
        spoken: The stretches of the reply's audio, in any order.
        played_ms: How much of the audio was played.
    """
    heard: list[str] = []
    for clause in sorted(spoken, key=lambda clause: clause.seq):
        if clause.end_ms <= played_ms:
            heard.append(clause.text)
            continue
        words = clause.text.split()
        # An engine that does not know its words' times has only whole clauses heard.
        ended = sum(end_ms <= played_ms for end_ms in clause.word_ends_ms[: len(words)])
        heard.append(" ".join(words[:ended]))
    return " ".join(text for text in heard if text)
