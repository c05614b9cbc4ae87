"""What a stream holds on some subjects, removed: an operator's act."""

from __future__ import annotations

import msgspec

from voicebus.bus.acks import ApiError, error_of
from voicebus.bus.client import Bus


class _Purged(msgspec.Struct):
    error: ApiError | None = None


async def purge(bus: Bus, stream: str, subject: str, keep: int = 0) -> None:
    """Remove all that a stream holds on a subject.

    Args:
        bus: The connection, of the admin.
        stream: The stream.
        subject: Subject or wildcard.
        keep: How many messages stay, the newest.

    Raises:
        BusError: It cannot be done.
    """
    body = msgspec.json.encode({"filter": subject, **({"keep": keep} if keep else {})})
    answer = await bus.request(f"$JS.API.STREAM.PURGE.{stream}", body)
    failure = msgspec.json.decode(answer, type=_Purged).error
    if failure is not None:
        raise error_of(failure)
