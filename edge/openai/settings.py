"""Settings of the OpenAI-compatible API: ``VOICEBUS_EDGE_OPENAI_…``."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from edge.settings import listed
from subjects.streams import ROLES

SCOPE: Final = "EDGE_OPENAI_"


class OpenAISettings(Struct, frozen=True, kw_only=True):
    """What of OpenAI's API is served, and under which names.

    Fields
        enabled: Whether /v1 is served at all.
        aliases: Further names of models, ``name=model``, separated by commas. In the place of a
            model there may be a role: ``stt``, ``llm`` or ``tts`` stands for the first model that
            its workers serve.
        voices: Further names of voices, ``name=voice``, separated by commas; without a voice behind
            it, a name stands for the default one.
        max_body_bytes: Largest JSON body.
        max_tokens: Bound of replies whose request sets none.
        queue_s: How long a request waits for a worker: longer than a caller can.
        stall_s: Longest silence of workers that have taken a request.
        keepalive_s: A stream in which nothing happens says so after as long.
        stored_bytes: How much of past responses is kept for ``previous_response_id``, in this
            process; the oldest go first.
        max_recording_bytes: Largest file to be transcribed or translated.
        max_recording_s: Longest one, in decoded seconds.
        recordings: How many are in work at once, in this process.
        passages: How many passages of one recording workers have at once.
        recording_stall_s: Longest silence of workers about a recording: live callers go first.
    """

    enabled: bool = True
    aliases: str = (
        "gpt-4o-mini=llm,tts-1=tts,tts-1-hd=tts,gpt-4o-mini-tts=tts,"
        "whisper-1=stt,gpt-4o-transcribe=stt,gpt-4o-mini-transcribe=stt,gpt-transcribe=stt,"
        "gpt-live-transcribe=stt,gpt-realtime=llm,gpt-realtime-mini=llm,gpt-realtime-2.1=llm,"
        "gpt-realtime-2.1-mini=llm,gpt-4o-realtime-preview=llm"
    )
    voices: str = (
        "alloy=,ash=,ballad=,cedar=,coral=,echo=,fable=,marin=,nova=,onyx=,sage=,shimmer=,verse="
    )
    max_body_bytes: int = 768 << 10
    max_tokens: int = 1024
    queue_s: float = 30.0
    stall_s: float = 60.0
    keepalive_s: float = 15.0
    stored_bytes: int = 64 << 20
    max_recording_bytes: int = 1 << 30
    max_recording_s: float = 14_400.0
    recordings: int = 8
    passages: int = 8
    recording_stall_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse aliases without a name."""
        for setting in ("aliases", "voices"):
            for name, equals, _ in _pairs(getattr(self, setting)):
                if not (name and equals):
                    raise ValueError(f"expected name=model, separated by commas - at `$.{setting}`")

    def model_aliases(self) -> dict[str, str]:
        """Return what each further name of a model stands for."""
        return {name: model for name, _, model in _pairs(self.aliases)}

    def voice_aliases(self) -> dict[str, str]:
        """Return what each further name of a voice stands for; empty for the default voice."""
        return {name: voice for name, _, voice in _pairs(self.voices)}


def is_role(model: str) -> bool:
    """Whether an alias stands for whatever a role serves."""
    return model in ROLES


def _pairs(text: str) -> list[tuple[str, str, str]]:
    parts = (pair.partition("=") for pair in listed(text))
    return [(name.strip(), equals, target.strip()) for name, equals, target in parts]
