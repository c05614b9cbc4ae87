"""Where the words of a stretch of speech end: an estimate, pure."""

from __future__ import annotations

from collections.abc import Callable


def word_ends_ms(
    text: str, start_ms: float, end_ms: float, speakable: Callable[[str], str]
) -> tuple[int, ...]:
    """Return where each word of ``text`` ends.

    A voice spends about the same time on each letter of what it says. So a word ends where its
    share of the letters does, counted in what the words become when they are spoken: "$5" is
    "five dollars". What a word becomes depends on the words before it, so the beginnings of the
    text are counted, each as a whole.

    Args:
        text: As it was written; its words are what white space separates.
        start_ms: Where the stretch begins.
        end_ms: Where it ends.
        speakable: Makes of a text what is spoken.

    Returns:
        A time for each word, never falling, the last one ``end_ms``.
    """
    words = text.split()
    plain = " ".join(words)
    spoken = speakable(text)
    lengths: list[int] = []
    for count in range(1, len(words) + 1):
        beginning = " ".join(words[:count])
        length = len(beginning if spoken == plain else speakable(beginning))
        lengths.append(min(len(spoken), max(length, *lengths[-1:], 0)))
    if not lengths:
        return ()
    lengths[-1] = len(spoken)
    whole = len(spoken) or 1
    ends = [round(start_ms + (end_ms - start_ms) * length / whole) for length in lengths]
    return (*ends[:-1], round(end_ms))
