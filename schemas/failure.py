"""What a stage says when it fails. A stage never invents a result instead."""

from __future__ import annotations

from schemas.event import Event


class Failure(Event, frozen=True, kw_only=True, tag="failure"):
    """A stage could not do its work for this session.

    Fields
        stage: ``stt``, ``turn``, ``llm``, ``tts``, ``edge`` or ``bus``.
        code: Stable name of the error, from voicebus.errors.
        message: A sentence for the one who sees it; no secrets, no addresses.
        retryable: True when the same request may succeed later.
    """

    stage: str
    code: str
    message: str
    retryable: bool = False
