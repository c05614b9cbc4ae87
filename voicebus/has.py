"""What a client has of the conversation: a server that knows nothing of it is told. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Message = dict[str, Any]


class Has:
    """Follows what comes from the server."""

    def __init__(self) -> None:
        self._utterance = 0
        self._begin(0)

    def take(self, arrived: Message | bytes) -> None:
        """Take note of what has come."""
        if isinstance(arrived, bytes):
            self._audio_bytes += len(arrived)
            return
        kind, turn = arrived["type"], arrived.get("turn", 0)
        if kind == "final":
            self._utterance = arrived["utterance"]
        elif kind == "turn_started":
            self._begin(turn)
        elif turn and turn == self._turn:
            self._note(kind, arrived)

    def message(self) -> Message:
        """Return it as ``resume`` says it."""
        return {
            "utterance": self._utterance,
            "turn": self._turn,
            "characters": self._characters,
            "audio_bytes": self._audio_bytes,
            "spoken": self._spoken,
            "told": sorted(self._told),
        }

    def _begin(self, turn: int) -> None:
        self._turn = turn
        self._characters = 0
        self._audio_bytes = 0
        self._spoken = 0
        self._told: set[str] = set()

    def _note(self, kind: str, told: Message) -> None:
        match kind:
            case "reply_text":
                self._characters += len(told["text"])
            case "spoken":
                self._spoken += 1
            case "audio_start":
                self._audio_bytes = 0
                self._told.add(kind)
            case "resume":
                self._told.discard("pause")
            case _:
                self._told.add(kind)
