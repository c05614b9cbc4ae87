"""Whether somebody is still on the line. Pure; the clock is the caller's."""

from __future__ import annotations

from typing import Final

ENOUGH_MS: Final = 100.0
"""Audio that counts: whoever speaks, or is silent on a line that is open, sends it in a moment."""


class Vigil:
    """Notes signs of life.

    All else costs a peer next to nothing, and would hold a line for an hour: pieces of a frame,
    what means nothing, keys that were passed over, and a sample of audio a minute.

    Args:
        at_s: When the call began.

    Attributes:
        seen_s: When the last sign came.
    """

    def __init__(self, at_s: float) -> None:
        self.seen_s = at_s
        self._heard_ms = 0.0

    def hear(self, lasts_ms: float, at_s: float) -> None:
        """Note audio that came: a tenth of a second since the last sign is one."""
        self._heard_ms += lasts_ms
        if self._heard_ms >= ENOUGH_MS:
            self.see(at_s)

    def see(self, at_s: float) -> None:
        """Note a sign, such as a key that was taken."""
        self.seen_s = at_s
        self._heard_ms = 0.0
