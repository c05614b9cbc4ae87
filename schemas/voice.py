"""What is kept of voices: how phrases sound that are said often, and voices made of samples."""

from __future__ import annotations

from schemas.event import Event


class PhraseKept(Event, frozen=True, kw_only=True, tag="voice.phrase"):
    """How a short phrase sounds that was said more than once; its subject is a digest of it.

    Fields
        pcm: Samples, s16le mono at ``rate_hz``, as the voice made them.
        rate_hz: Sample rate.
    """

    pcm: bytes
    rate_hz: int


class VoiceKept(Event, frozen=True, kw_only=True, tag="voice.kept"):
    """A voice that was made of samples; its subject has its name. The newest counts.

    Fields
        model: Digest of the weights that its latents are for; empty when the voice was removed.
        latents: What the model is conditioned with, little-endian float32.
        shape: Shape of ``latents``.
        speaker: The speaker's embedding, little-endian float32, shape (n,).
        seconds: How much speech it was made of.
        consent: Who agreed to it, and where that is written down.
        licence: The weights' licence, as it was accepted.
        made: When, UTC, as ISO 8601 has it.
    """

    model: str = ""
    latents: bytes = b""
    shape: tuple[int, ...] = ()
    speaker: bytes = b""
    seconds: float = 0.0
    consent: str = ""
    licence: str = ""
    made: str = ""
