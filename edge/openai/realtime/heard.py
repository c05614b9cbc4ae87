"""What there is to say of a caller: from :mod:`edge.openai.realtime.hearing` to who tells it."""

from __future__ import annotations

from msgspec import Struct

from schemas.failure import Failure


class SpeechBegan(Struct, frozen=True):
    """The caller speaks; ``start_ms`` is counted from the session's first audio."""

    item_id: str
    start_ms: int


class SpeechEnded(Struct, frozen=True):
    """The caller has finished."""

    item_id: str
    end_ms: int


class Committed(Struct, frozen=True):
    """What was said is the user's next item; ``by_pause`` where the client did not ask for it."""

    item_id: str
    by_pause: bool


class Understood(Struct, frozen=True):
    """Words of an item that will not change any more."""

    item_id: str
    delta: str


class Transcribed(Struct, frozen=True):
    """All words of an item."""

    item_id: str
    text: str
    seconds: float


class NotTranscribed(Struct, frozen=True):
    """The words of an item will never be known."""

    item_id: str
    failure: Failure


class Drafted(Struct, frozen=True):
    """All words of an item, should the caller have finished."""

    item_id: str
    text: str


class Resumed(Struct, frozen=True):
    """The caller has not."""


Heard = (
    Drafted
    | Resumed
    | SpeechBegan
    | SpeechEnded
    | Committed
    | Understood
    | Transcribed
    | NotTranscribed
)
