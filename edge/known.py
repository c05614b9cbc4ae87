"""What a client has that comes from another edge: it is not told again. Pure."""

from __future__ import annotations

from typing import Any, Final

from edge.wire import Has

NOTHING: Final = Has()
"""What a new client has."""


class Known:
    """Leaves out of what is told again what the client has. For one session.

    Args:
        has: What it has.
    """

    def __init__(self, has: Has = NOTHING) -> None:
        self._has = has
        self._characters = has.characters
        self._audio_bytes = has.audio_bytes
        self._spoken = has.spoken
        self._told = {*has.told, "turn_started", "latency"} - {"pause", "resume", "error"}
        self._is_moved = has != NOTHING

    def audio(self, pcm: bytes, turn: int) -> bytes:
        """Return what is new of some audio."""
        if turn != self._has.turn:
            return pcm if turn > self._has.turn else b""
        known = min(self._audio_bytes, len(pcm))
        self._audio_bytes -= known
        return pcm[known:]

    def message(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """Return what is new of a message; None for nothing."""
        turn = told.get("turn", 0)
        if not self._is_moved or turn > self._has.turn:
            return told
        if turn and turn == self._has.turn:
            return self._of_its_turn(told)
        is_known = bool(turn) or told["type"] == "ready"
        if told["type"] == "final":
            is_known = told["utterance"] <= self._has.utterance
        return None if is_known else told

    def _of_its_turn(self, told: dict[str, Any]) -> dict[str, Any] | None:
        kind = told["type"]
        if kind == "reply_text":
            return self._text(told)
        if kind == "spoken":
            self._spoken -= 1
            return told if self._spoken < 0 else None
        return None if kind in self._told else told

    def _text(self, told: dict[str, Any]) -> dict[str, Any] | None:
        text: str = told["text"]
        if told.get("anew") and not self._characters:
            return told  # even without words: it takes former ones back
        known = min(self._characters, len(text))
        self._characters -= known
        rest = {"type": told["type"], "turn": told["turn"], "text": text[known:]}
        return rest if known < len(text) else None
