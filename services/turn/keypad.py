"""Keys that the caller presses: several of them are one input. Has no clock of its own."""

from __future__ import annotations

from typing import Final

from schemas.session import KeysPressed, UserText
from services.turn.deadlines import Deadlines

KEYS_MS: Final = 2_000.0
"""Pause after which pressed keys are taken as complete; ``#`` completes them at once."""

KEYS_DUE: Final = "keys"
"""Name of the deadline."""


class Keypad:
    """The keys since the last input. Sets its deadline among the owner's."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._pressed: list[KeysPressed] = []

    def __bool__(self) -> bool:
        return bool(self._pressed)

    def press(self, keys: KeysPressed, now_ms: float) -> bool:
        """Take keys in; return whether the input is complete."""
        self._pressed.append(keys)
        self._deadlines.set(KEYS_DUE, now_ms + KEYS_MS)
        return keys.digits.endswith("#")

    def take(self) -> UserText:
        """Return the input as text; there is one."""
        digits = "".join(keys.digits for keys in self._pressed)
        last = self._pressed[-1].seq
        self.answered(last)
        return UserText(text=f"[keys pressed: {digits}]", seq=last)

    def answered(self, control: int) -> None:
        """Forget the keys up to the one of this number."""
        self._pressed = [keys for keys in self._pressed if keys.seq > control]
        if not self._pressed:
            self._deadlines.drop(KEYS_DUE)
