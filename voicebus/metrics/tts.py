"""Text to speech."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from voicebus.metrics.buckets import RATIO_BUCKETS, STAGE_BUCKETS

TTS_TTFA_SECONDS = Histogram(
    "voicebus_tts_ttfa_seconds",
    "From the first clause to the first audible chunk",
    ["engine"],
    buckets=STAGE_BUCKETS,
)
TTS_CLAUSE_SECONDS = Histogram(
    "voicebus_tts_clause_seconds", "Synthesis of one clause", ["engine"], buckets=STAGE_BUCKETS
)
TTS_AUDIO_SECONDS = Counter(
    "voicebus_tts_audio_seconds_total",
    "Audio made, also of replies that were cancelled",
    ["engine"],
)
TTS_WASTED_SECONDS = Counter(
    "voicebus_tts_wasted_seconds_total",
    "Audio made and never heard, of cancelled work: speculative (never released), interrupted",
    ["reason"],
)
TTS_RTF = Histogram(
    "voicebus_tts_rtf_ratio",
    "Time for one clause for each second of its audio: below 1 it keeps up",
    ["engine"],
    buckets=RATIO_BUCKETS,
)
TTS_PHRASES = Counter(
    "voicebus_tts_phrases_total",
    "Short phrases that were known already and so were not made (said), and that were kept for all "
    "workers when they were made again (kept)",
    ["outcome"],
)
TTS_CHARACTERS = Counter(
    "voicebus_tts_characters_total",
    "Characters that were to be spoken, as they were written, also of clauses that were cancelled",
    ["engine"],
)
