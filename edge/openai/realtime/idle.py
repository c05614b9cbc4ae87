"""A caller who says nothing after an answer: when it is spoken to again. Pure.

Time is that of the caller's audio, of which a client sends as much as passes: one that sends none,
because its user is muted, is not prompted.
"""

from __future__ import annotations

from collections.abc import Iterable

from edge.openai.realtime.session import ServerVad, Session
from edge.openai.realtime.told import ServerEvent
from schemas.event import Event


class Idle:
    """Counts the silence behind the last answer's end.

    It is counted from its ``response.done``, plus the time for which its audio plays.
    """

    def __init__(self) -> None:
        self._since_ms: int | None = None
        self._is_speaking = False

    def follow(self, orders: Iterable[ServerEvent | Event], now_ms: int, played_ms: int) -> None:
        """Take what the client is told.

        Args:
            orders: All that is done now.
            now_ms: How much audio the caller has sent.
            played_ms: How long the audio of a response plays that is done now.
        """
        for order in orders:
            if not isinstance(order, dict) or _is_aside(order):
                continue
            match order["type"]:
                case "response.created":
                    self._since_ms = None
                case "input_audio_buffer.committed":  # a noise, if nothing answers it
                    self._since_ms = now_ms
                case "response.done":
                    self._since_ms = now_ms + played_ms
                case "input_audio_buffer.speech_started":
                    self._is_speaking = True
                case "input_audio_buffer.speech_stopped":
                    self._is_speaking = False

    def over(self, session: Session, now_ms: int) -> tuple[int, int] | None:
        """Return from where to where nothing was said, if that is too long; it counts once."""
        detection = session.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or detection.idle_timeout_ms is None:
            return None
        since_ms, least_ms = self._since_ms, detection.idle_timeout_ms
        if self._is_speaking or since_ms is None or now_ms - since_ms < least_ms:
            return None
        self._since_ms = None
        return since_ms, now_ms


def _is_aside(order: ServerEvent) -> bool:
    """Whether it is about a response of no conversation: the caller does not hear that one."""
    response = order.get("response")
    return isinstance(response, dict) and response.get("conversation_id") is None
