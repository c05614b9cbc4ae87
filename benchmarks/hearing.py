"""What a caller hears and is told in one session, turn by turn. Takes messages; no I/O."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from benchmarks.playback import Player

Message = dict[str, Any]

REPORT_EVERY_S: Final = 0.25

BREAK_S: Final = 1.5
"""A reply that is silent for longer is over, whether or not that was said."""


class TurnHeard:
    """One turn of the other side.

    Attributes:
        started_s: When it was announced.
        text: The caller's words that it answers.
        reply: The answer's words.
        spoken: Stretches of it: words, and where each ends in the audio.
        outcome: How it ended; empty while it did not.
        kept: Which of its words stay in the history; None if that was not said.
        stopped_s: When the other side first asked to stop playing.
        flushed_ms: What had been played when it was flushed; None if it was not.
        resumed: How often it went on after a pause.
        hold_ms: How long the server says that it waited for the caller to go on.
    """

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.text = ""
        self.reply = ""
        self.spoken: list[tuple[str, tuple[float, ...]]] = []
        self.outcome = ""
        self.kept: str | None = None
        self.stopped_s: float | None = None
        self.flushed_ms: float | None = None
        self.resumed = 0
        self.hold_ms: float | None = None
        self.audio_is_complete = False
        self.told_ms = 0.0

    def take(self, kind: str, message: Message) -> None:
        """Take a message about this turn that asks nothing of the player."""
        match kind:
            case "turn_started":
                self.text = message["text"]
            case "reply_text":
                self.reply = ("" if message.get("anew") else self.reply) + message["text"]
            case "reply_done":
                self.reply = message["text"]
            case "audio_complete":
                self.audio_is_complete = True
            case "spoken":
                self.spoken.append((message["text"], tuple(message["word_ends_ms"])))
            case "latency":
                holds = [stage for stage in message["stages"] if stage["name"] == "hold"]
                self.hold_ms = sum(stage["end_ms"] - stage["start_ms"] for stage in holds)
            case "turn_ended":
                self.outcome, self.kept = message["outcome"], message.get("reply")

    def words_before(self, played_ms: float) -> list[str]:
        """Return the words whose audio had been played to their end."""
        return [
            word
            for text, ends in self.spoken
            for word, end_ms in zip(text.split(), ends, strict=False)
            if end_ms <= played_ms
        ]


class Hearing:
    """Everything that came from the other side in one session."""

    def __init__(self) -> None:
        self.player = Player()
        self.turns: dict[int, TurnHeard] = {}
        self.speech_noticed_s: list[float] = []
        self.transcripts: list[str] = []
        self.errors: list[str] = []
        self.is_ready = False
        self.rate_hz = 0
        self._speaking = 0
        self._told_s = 0.0

    def take(self, message: Message | bytes, at_s: float) -> list[Message]:
        """Take what arrived at ``at_s``; return what is to be answered at once."""
        if isinstance(message, bytes):
            samples = np.frombuffer(message[: len(message) & ~1], "<i2")
            self.player.push(self._speaking, samples, self.rate_hz, at_s)
            return []
        match message["type"]:
            case "ready":
                self.is_ready = True
            case "speech_started":
                self.speech_noticed_s.append(at_s)
            case "final":
                self.transcripts.append(message["text"])
            case "error":
                self.errors.append(message.get("message", ""))
            case kind if "turn" in message:
                turn = self.turns.setdefault(message["turn"], TurnHeard(at_s))
                return self._take_turn(kind, turn, message, at_s)
        return []

    def _take_turn(
        self, kind: str, turn: TurnHeard, message: Message, at_s: float
    ) -> list[Message]:
        number = message["turn"]
        if kind in {"pause", "resume", "flush"}:
            return self._obey(kind, turn, number, at_s)
        if kind == "audio_start":
            self._speaking, self.rate_hz = number, message["sample_rate"]
        turn.take(kind, message)
        return []

    def _obey(self, order: str, turn: TurnHeard, number: int, at_s: float) -> list[Message]:
        if order == "resume":
            self.player.resume(number, at_s)
            turn.resumed += 1
            turn.stopped_s = None
            return []
        if turn.stopped_s is None:
            turn.stopped_s = at_s
        if order == "pause":
            self.player.pause(number, at_s)
            return []
        turn.flushed_ms = float(int(self.player.flush(number, at_s)))
        return [{"type": "flushed", "turn": number, "played_ms": turn.flushed_ms}]

    def reports(self, now_s: float) -> list[Message]:
        """Return what the other side is to be told about the playback now; mostly nothing."""
        self.player.advance(now_s)
        due = now_s - self._told_s >= REPORT_EVERY_S
        told: list[Message] = []
        for number, turn in self.turns.items():
            played_ms = float(int(self.player.played_ms(number)))
            at_end = turn.audio_is_complete and not self.player.is_waiting(number)
            if played_ms > turn.told_ms and (due or at_end) and turn.flushed_ms is None:
                turn.told_ms = played_ms
                told.append({"type": "played", "turn": number, "played_ms": played_ms})
        if told:
            self._told_s = now_s
        return told

    def answer_since(self, at_s: float) -> tuple[int, float] | None:
        """Return the first turn that began since then and is audible, and since when it is."""
        for number in sorted(self.turns):
            if self.turns[number].started_s >= at_s:
                audible_s = self.player.audible_at(number)
                if audible_s is not None:
                    return number, audible_s
        return None

    def is_over(self, number: int, now_s: float) -> bool:
        """Whether nothing more of a turn will be heard, as far as one can know."""
        if self.player.is_waiting(number):
            return False
        turn = self.turns[number]
        silent_s = now_s - (self.player.silent_from(number) or now_s)
        done = turn.audio_is_complete or turn.flushed_ms is not None or bool(turn.outcome)
        return done or silent_s > BREAK_S
