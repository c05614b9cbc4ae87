"""Speech to text."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from voicebus.metrics.buckets import RATIO_BUCKETS, STAGE_BUCKETS

STT_HOLD_SECONDS = Histogram(
    "voicebus_stt_hold_seconds",
    "Audio time between the last speech and the decision that the utterance is over",
    buckets=STAGE_BUCKETS,
)
STT_FINAL_SECONDS = Histogram(
    "voicebus_stt_final_seconds",
    "From the end of an utterance being decided to its final",
    ["engine"],
    buckets=STAGE_BUCKETS,
)
STT_COMPUTE_SECONDS = Histogram(
    "voicebus_stt_compute_seconds",
    "Time in the engine",
    ["engine", "kind"],
    buckets=STAGE_BUCKETS,
)
STT_QUEUE_SECONDS = Histogram(
    "voicebus_stt_queue_seconds", "Wait for the engine", ["kind"], buckets=STAGE_BUCKETS
)
STT_AUDIO_SECONDS = Counter("voicebus_stt_audio_seconds_total", "Speech recognised", ["engine"])
STT_EARLY = Counter(
    "voicebus_stt_early_total", "Recognitions begun inside the hold, by use", ["outcome"]
)
STT_HALLUCINATIONS = Counter(
    "voicebus_stt_hallucinations_total", "Texts dropped because nobody said them"
)
STT_RETRIES = Counter(
    "voicebus_stt_retries_total",
    "Utterances recognised again: rate, loop or probability of the first text was suspicious",
    ["reason"],
)
STT_RTF = Histogram(
    "voicebus_stt_rtf_ratio",
    "Time in the engine for each second of audio: below 1 it keeps up",
    ["engine", "kind"],
    buckets=RATIO_BUCKETS,
)
