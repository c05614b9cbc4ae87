"""The answer of one turn, while it is made and while it is heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.event import Event
from schemas.llm import ClauseReady, GenerationDone
from schemas.tool import CallsAsked, CallsBegun, CallsEnded, ToolDone
from schemas.tts import ClauseSpoken, SpeechDone
from services.turn.calling import Calling
from voicebus.heard import words_heard

MADE: Final = (
    *(ClauseReady, ClauseSpoken, GenerationDone, SpeechDone),
    *(CallsAsked, CallsBegun, CallsEnded, ToolDone),
)
"""What is made for a reply."""


@dataclass(slots=True)
class Reply:
    """What is known of an answer.

    Attributes:
        turn: Its turn.
        revision: Which attempt at the turn it is.
        asked: The caller's words that it answers.
        given: Its words, where the language model is not asked for them.
        clauses: What has become speakable so far.
        spoken: Which stretch of audio speaks which words.
        text: The whole reply, once it is complete.
        is_spoken: Whether its audio is complete.
        played_ms: How much of its audio was played, once nothing more of it will be; -1 before.
        outcome: What becomes of the turn, when that is settled before its playback has ended.
        has_failed: Whether a stage gave it up.
        is_resumed: Whether it began at another edge: what was made there is told again.
        calling: The functions that it waits for.
        is_deadly: Whether to ask for it kills the model's workers: nobody is to ask again.
    """

    turn: int
    revision: int
    asked: str = ""
    given: str = ""
    clauses: list[str] = field(default_factory=list)
    spoken: list[ClauseSpoken] = field(default_factory=list)
    text: str | None = None
    is_spoken: bool = False
    played_ms: int = -1
    outcome: str = ""
    has_failed: bool = False
    is_deadly: bool = False
    is_resumed: bool = False
    calling: Calling = field(default_factory=lambda: Calling({}))

    def __post_init__(self) -> None:
        """What is given is all of it."""
        self.text = self.given or self.text

    def take(self, event: Event) -> None:
        """Take note of what a stage has made."""
        if not self.given:  # nobody was asked who could have wished for anything
            self.calling.take(event)
        match event:
            case ClauseReady() if event.text and event.seq == len(self.clauses):
                self.clauses.append(event.text)
            case ClauseSpoken() if all(event.seq != known.seq for known in self.spoken):
                self.spoken.append(event)
            case GenerationDone():
                self.text = event.text
            case SpeechDone():
                self.is_spoken = True

    def written(self) -> str:
        """Return what there is of the reply."""
        return self.text if self.text is not None else " ".join(self.clauses)

    def heard(self) -> str:
        """Return what was heard of the reply."""
        return words_heard(self.spoken, self.played_ms)
