"""A failure that a worker has told, as an error of whoever waits for its work."""

from __future__ import annotations

from schemas.failure import Failure
from voicebus.errors import VoicebusError


class StageFailed(VoicebusError):
    """Raised when a worker says that it could not do its work.

    Args:
        failure: What it said.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.stage = failure.stage
        self.code = failure.code  # type: ignore[misc]  # this one error's own
        self.retryable = failure.retryable  # type: ignore[misc]  # this one error's own
