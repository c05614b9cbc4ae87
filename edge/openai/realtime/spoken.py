"""Which words of an answer were heard: what its audio says, and where. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.tts import ClauseSpoken, ReplyChunk
from voicebus.heard import words_heard


@dataclass(slots=True)
class Spoken:
    """The audio of one item, as far as it was sent.

    Attributes:
        clauses: Which stretch of it speaks which words.
        samples: Its length, at ``rate_hz``.
        rate_hz: Its sample rate; 0 before the first of it.
        heard_ms: Up to where the client says that it was heard; -1 while it says nothing.
    """

    clauses: list[ClauseSpoken] = field(default_factory=list)
    samples: int = 0
    rate_hz: int = 0
    heard_ms: int = -1

    @property
    def sent_ms(self) -> int:
        """Its length in milliseconds."""
        return self.samples * 1000 // self.rate_hz if self.rate_hz else 0

    def sent(self, chunk: ReplyChunk) -> None:
        """More of it was sent."""
        self.rate_hz = chunk.rate_hz
        self.samples += len(chunk.pcm) // 2

    def speaks(self, clause: ClauseSpoken) -> None:
        """A stretch of it speaks these words."""
        if all(clause.seq != known.seq for known in self.clauses):
            self.clauses.append(clause)

    def words(self) -> str:
        """Return the words that were heard, or could have been."""
        until_ms = self.sent_ms if self.heard_ms < 0 else min(self.heard_ms, self.sent_ms)
        return words_heard(self.clauses, until_ms)
