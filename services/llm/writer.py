"""Publishes a reply twice: as text for readers and as clauses for speakers."""

from __future__ import annotations

from schemas.llm import ClauseReady, GenerateRequest, TokenDelta
from services.llm.engine import Piece
from services.llm.published import NOTHING, Published
from services.llm.rounds import Publisher
from voicebus.sentences import Splitter, SplitterSettings

CUT = "cut"
"""``finish_reason`` of a reply that ends with the last clause of the worker that was lost, or of
the provider: see :mod:`services.llm.continuing`."""


class Writer:
    """Writes one reply, from its beginning or behind what a lost worker had published of it.

    Clauses depend on the text alone, so those of the published text are known to be there: what is
    published is what follows them.

    Args:
        claim: Publishes what is written of the turn.
        request: Its request.
        published: What is there already.

    Attributes:
        text: The reply so far.
        pieces: How many pieces of text the model has streamed for it.
        made: How many of them were streamed to us.
        ttft_ms: How long the first of those took; 0 before.
        is_done: Whether the reply was written to its end.
    """

    def __init__(
        self, claim: Publisher, request: GenerateRequest, published: Published = NOTHING
    ) -> None:
        self._claim = claim
        self._turn = request.turn
        self._revision = request.revision
        self._deltas = published.deltas
        self._told = published.clauses
        self._is_ended = published.is_complete
        self._clauses = 0
        self._is_anew = False
        self._calls = published.tool_calls
        self._unwritten: list[Piece] = []
        self._is_spoken = request.spoken
        self._splitter = Splitter(SplitterSettings())
        self._known = self._splitter.push(published.text)
        self._ready = self._known
        self.text = published.text
        self.pieces = published.tokens
        self.made = 0
        self.ttft_ms = 0.0
        self.is_done = False

    async def speak(self, piece: Piece) -> None:
        """Take text to be spoken: somebody waits for it, so what is a clause goes out at once."""
        self.text += piece.text
        is_new = bool(piece.text or piece.tool_calls)
        self.pieces += is_new
        self.made += is_new
        if is_new:
            self._unwritten.append(piece)
        if self._is_spoken:
            await self._speak(piece)
        if piece.finish_reason:
            if self._unwritten or self._is_anew:
                await self._write()
            if not self._is_ended:
                await self._claim.publish(self._clause("", last=True))

    async def _speak(self, piece: Piece) -> None:
        reason = piece.finish_reason
        if reason == CUT:
            self.text = _until(self.text, self._ready)
        await self._publish_clauses(self._splitter.push(piece.text))
        if reason and reason != CUT:
            await self._publish_clauses(self._splitter.finish())

    async def write(self) -> None:
        """Publish the text that came since the last time, for readers."""
        if self._unwritten:
            await self._write()

    async def _write(self) -> None:
        taken, self._unwritten = self._unwritten, []
        delta = TokenDelta(
            turn=self._turn,
            revision=self._revision,
            seq=self._deltas,
            text="".join(piece.text for piece in taken),
            tokens=len(taken),
            tool_calls=tuple(call for piece in taken for call in piece.tool_calls),
            anew=self._is_anew,
        )
        self._is_anew = False
        self._deltas += 1
        self._calls += delta.tool_calls
        await self._claim.publish(delta)

    @property
    def published(self) -> Published:
        """What is there now, for who goes on with it behind these words."""
        calls = tuple(call for piece in self._unwritten for call in piece.tool_calls)
        return Published(
            text=self.text,
            tokens=self.pieces,
            deltas=self._deltas,
            tool_calls=self._calls + calls,
            clauses=max(self._told, self._clauses),
            is_complete=self._is_ended,
        )

    def begin_anew(self) -> None:
        """Forget the words that were there: none of them is spoken, and others follow.

        Readers have them: they are told with the first of the others, or with the end if there are
        none.
        """
        self._is_anew = self._deltas > 0
        self._splitter = Splitter(SplitterSettings())
        self._known = self._ready = ()
        self._unwritten = []
        self.text = ""
        self.pieces = 0

    async def _publish_clauses(self, clauses: tuple[str, ...]) -> None:
        known, self._known = self._known, ()
        self._ready += clauses
        if clauses:
            await self.write()
        for text in known + clauses:
            if self._clauses >= self._told:
                await self._claim.publish(self._clause(text, last=False))
            self._clauses += 1

    def _clause(self, text: str, *, last: bool) -> ClauseReady:
        return ClauseReady(
            turn=self._turn, revision=self._revision, seq=self._clauses, text=text, last=last
        )


def _until(text: str, clauses: tuple[str, ...]) -> str:
    """Return the text up to the end of its last clause."""
    end = 0
    for clause in clauses:
        end = text.index(clause, end) + len(clause)
    return text[:end]
