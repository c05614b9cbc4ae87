"""Words that Whisper writes where nobody spoke, and how to tell them from spoken ones.

Whisper learned from subtitles. Given silence, noise or music it writes what subtitles have
there: thanks for watching, credits, one phrase over and over (Koenecke et al., "Careless Whisper",
FAccT 2024). Voice detection keeps most of such audio away from it; this gate catches the rest.
A phrase on the list is never dropped for its words alone: people do say "Thank you."
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

import msgspec

from services.stt.engine import Recognition

Verdict = Literal["keep", "silence", "phrase", "loop"]

SILENCE_NO_SPEECH: Final = 0.6
SILENCE_CONFIDENCE: Final = 0.45
"""Both decide, as in Whisper's own rule. Measured on base and tiny.en: silence, noise, tones and
clicks give no_speech from 0.69 and confidence up to 0.37; clear speech up to 0.41 and from 0.68.
"""

HOPELESS_NO_SPEECH: Final = 0.45
HOPELESS_CONFIDENCE: Final = 0.3
"""In short windows, non-speech has a lower no_speech than in the full one: silence and noise from
0.57, clicks from 0.49; their confidence is then at most 0.29.
"""

PHRASE_NO_SPEECH: Final = 0.55
PHRASE_CONFIDENCE: Final = 0.35
PHRASE_SPEECH_MS: Final = 200
"""Bounds for short phrases. People really say them: "Bye." has 290 ms of speech, and a noisy
"Okay." a confidence of 0.4; what both have is a low no_speech, up to 0.5.
"""

CREDIT_NO_SPEECH: Final = 0.5
CREDIT_CONFIDENCE: Final = 0.6
CREDIT_SPEECH_MS: Final = 400
"""Bounds for credit lines and sign-offs, which hardly anybody says to a machine."""

LOOP_WORDS_PER_S: Final = 8.0
LOOP_SPARE_WORDS: Final = 4
"""More words than any speaker says; the spare ones allow for quiet speech that VAD missed."""

_PHRASES: Final = frozenset(
    {
        "you", "bye", "bye bye", "okay", "ok", "oh", "so", "the", "hmm", "thank you",
        "thank you very much", "thank you so much", "thanks", "i m sorry", "the end",
        "спасибо", "пока", "vielen dank", "danke", "tschüss", "merci", "au revoir",
        "gracias", "muchas gracias", "adiós", "grazie", "obrigado", "ありがとうございました",
        "감사합니다", "谢谢", "謝謝", "dziękuję", "teşekkürler",
    }
)  # fmt: skip

_CREDITS: Final = re.compile(
    r"^(?:"
    r"(?:thank you|thanks)(?: (?:so|very) much)? for (?:watching|listening|viewing)\b"
    r"|(?:please )?(?:like and )?subscribe\b"
    r"|see you (?:in the )?next (?:time|video)\b"
    r"|(?:subtitles|captions|captioning|transcription|transcript|translation|translated)"
    r"(?: and \w+)? by\b"
    r"|subtitled by\b|amara org\b|www\b"
    r"|субтитры\b|редактор субтитров\b|продолжение следует\b|спасибо за (?:просмотр|внимание)\b"
    r"|untertitel\b|sous titr|subtítulos\b|gracias por ver\b|sottotitoli\b|legendas\b|napisy\b"
    r"|altyazı\b|ご視聴|字幕|請不吝|请不吝|시청해"
    r")"
)

_REPEATS_OF_ONE: Final = 8
_REPEATS_OF_MORE: Final = 4
_LONGEST_PATTERN: Final = 12


def judge(recognition: Recognition, speech_ms: int) -> Verdict:
    """Say whether a text was spoken.

    Args:
        recognition: What the engine understood.
        speech_ms: How much speech voice detection found in the same audio.

    Returns:
        ``keep``, or why it was not spoken: ``silence`` (the engine doubts it itself),
        ``phrase`` (a typical phrase on thin evidence), ``loop`` (the same words over and over).
    """
    words = _words(recognition.text)
    if not words:
        return "keep" if not recognition.text else "silence"
    if _unheard(recognition):
        return "silence"
    if _loops(words) or len(words) > LOOP_SPARE_WORDS + LOOP_WORDS_PER_S * speech_ms / 1000:
        return "loop"
    phrase = " ".join(words)
    if phrase in _PHRASES and (
        recognition.no_speech > PHRASE_NO_SPEECH
        or recognition.confidence < PHRASE_CONFIDENCE
        or speech_ms < PHRASE_SPEECH_MS
    ):
        return "phrase"
    if _CREDITS.match(phrase) and (
        recognition.no_speech > CREDIT_NO_SPEECH
        or recognition.confidence < CREDIT_CONFIDENCE
        or speech_ms < CREDIT_SPEECH_MS
    ):
        return "phrase"
    return "keep"


def gate(recognition: Recognition, speech_ms: int) -> Recognition:
    """Return the recognition, its text emptied when nobody spoke it. See :func:`judge`."""
    if judge(recognition, speech_ms) == "keep":
        return recognition
    return msgspec.structs.replace(recognition, text="")


def _unheard(recognition: Recognition) -> bool:
    """Return whether the engine doubts that there was speech, in one of two degrees."""
    no_speech, confidence = recognition.no_speech, recognition.confidence
    return (no_speech > SILENCE_NO_SPEECH and confidence < SILENCE_CONFIDENCE) or (
        no_speech > HOPELESS_NO_SPEECH and confidence < HOPELESS_CONFIDENCE
    )


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return re.findall(r"\w+", plain)


def _loops(words: list[str]) -> bool:
    """Return whether one pattern, repeated back to back, makes up half of the words or more."""
    # Scripts without spaces give few long "words"; there the pattern is sought in characters.
    units = words if len(words) > 3 else list("".join(words))
    for length in range(1, min(_LONGEST_PATTERN, len(units) // _REPEATS_OF_MORE) + 1):
        needed = _REPEATS_OF_ONE if length == 1 else _REPEATS_OF_MORE
        same = 0
        for index in range(length, len(units)):
            same = same + 1 if units[index] == units[index - length] else 0
            spanned = same + length
            if spanned >= needed * length and spanned * 2 >= len(units):
                return True
    return False
