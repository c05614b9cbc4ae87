"""What a process does about traces: :class:`Tracing` where they are wanted, :class:`Off` elsewhere.

It stands beside the bus client, through which all messages pass: it puts the trace into the heads
of those that begin work, reads it there, and makes spans of what the stages say of themselves.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from schemas.event import Event
from schemas.llm import GenerationDone
from schemas.stt import PassageRecognised, RecogniseRequest, TranscriptFinal
from schemas.tool import ToolDone, ToolRequest
from schemas.tts import SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from subjects.catalog import place_of
from voicebus.tracing import conventions as names
from voicebus.tracing import spans
from voicebus.tracing.book import CARRIERS, KEPT, Book
from voicebus.tracing.context import HEADER, TraceContext, begin, enter, parse
from voicebus.tracing.spans import Attribute, Span

Export: TypeAlias = Callable[[Span], None]

_ENDS: Final[Mapping[type[Event], str]] = {
    PassageRecognised: "stt",
    GenerationDone: "llm",
    ToolDone: "tool",
    SpeechDone: "tts",
}
"""What tells the end of a job, by its role."""

_SAID: Final[tuple[type[Event], ...]] = (TranscriptFinal, TurnStarted, TurnEnded, *_ENDS)


class Tracer(Protocol):
    """What the bus and its users ask for."""

    def head(self, session: str, event: Event) -> dict[str, str] | None:
        """Return what goes with a message that is published; None: nothing."""
        ...

    def heard(self, subject: str, event: Event, header: str, at_ns: int = 0) -> None:
        """A message came with this ``traceparent``, now or (out of the log) then."""
        ...

    def said(self, session: str, event: Event) -> None:
        """A message was published: it may tell of something that is over."""
        ...

    def enter(self, session: str, event: Event) -> None:
        """This task works on what a message is about: its log lines name the trace."""
        ...

    def named(self, session: str, event: Event) -> TraceContext | None:
        """Return the trace of what a message is about, if it is kept."""
        ...

    def worked(self, role: str, session: str, request: Event, job: Job) -> None:
        """A job is out of a worker's hands."""
        ...

    def responded(
        self, session: str, started: TurnStarted, stages: Mapping[str, tuple[float, float]]
    ) -> dict[str, str] | None:
        """The first sound of an answer has left: return what goes with its measurements.

        ``stages`` are begin and end of each, in ms since the caller's last speech sample; that of
        the empty name is the whole.
        """
        ...

    def called(self, session: str, header: str) -> None:
        """Who opened a session has a trace already, and this is its ``traceparent``."""
        ...

    def moved(self, former: str, session: str) -> None:
        """A session goes on at another place, under another name."""
        ...

    def closed(self, session: str) -> None:
        """A session that was opened here is over."""
        ...


class Job:
    """One worker's time with one job, for its span.

    Attributes:
        begun_ns: When it began.
        queue_ms: How long the job had waited.
        attempt: How many workers had it, with this one.
        outcome: How it ended, in the words of the metric.
    """

    def __init__(self, attempt: int) -> None:
        self.begun_ns = time.time_ns()
        self.queue_ms = 0.0
        self.attempt = attempt
        self.outcome = ""


class Off:
    """Nothing is traced."""

    def head(self, session: str, event: Event) -> None:
        """Nothing goes with a message."""

    def _ignore(self, *_: Any) -> None:
        return None

    heard = said = enter = named = worked = responded = called = moved = closed = _ignore


OFF: Final[Tracer] = Off()


class Tracing:
    """The traces of one process.

    Args:
        export: Takes spans, without waiting.
        ratio: How many of the traces that begin here are kept, of one.
        now_ns: The clock: ns since 1970.
    """

    def __init__(
        self, export: Export, ratio: float = 1.0, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._export = export
        self._now_ns = now_ns
        self._book = Book(partial(begin, ratio))
        self._started: OrderedDict[tuple[str, int], TurnStarted] = OrderedDict()
        self._done: OrderedDict[tuple[str | int, ...], spans.Done] = OrderedDict()

    def head(self, session: str, event: Event) -> dict[str, str] | None:
        """See :class:`Tracer`."""
        if type(event) not in CARRIERS:
            return None
        return {HEADER: self._book.told(session, event, self._now_ns()).header()}

    def heard(self, subject: str, event: Event, header: str, at_ns: int = 0) -> None:
        """See :class:`Tracer`."""
        if type(event) not in CARRIERS:
            return
        context = parse(header)
        if context is not None:
            session = place_of(subject).session
            self._book.heard(session, event, context, at_ns or self._now_ns())

    def said(self, session: str, event: Event) -> None:
        """See :class:`Tracer`."""
        if not isinstance(event, _SAID):
            return
        match event:
            case TranscriptFinal() if event.text:
                entry = self._book.of_utterance(session, event.utterance)
                if entry is not None and entry.context.sampled:
                    found = spans.of_utterance(session, event, entry.context, self._now_ns())
                    for span in found:
                        self._export(span)
            case TurnStarted():
                _keep(self._started, (session, event.turn), event)
            case TurnEnded():
                self._ended(session, event)
            case GenerationDone() | ToolDone() | SpeechDone() | PassageRecognised():
                _keep(self._done, _job(_ENDS[type(event)], session, event), event)

    def enter(self, session: str, event: Event) -> None:
        """See :class:`Tracer`."""
        enter(self.named(session, event))

    def worked(self, role: str, session: str, request: Event, job: Job) -> None:
        """See :class:`Tracer`."""
        context = self.named(session, request)
        done = self._done.pop(_job(role, session, request), None)
        if context is None or role not in names.OPERATIONS:
            return
        error = "" if job.outcome in {"done", "handed_on"} else job.outcome
        if isinstance(done, ToolDone) and done.failed:
            error = error or "failed"
        self._export(
            spans.child(
                context,
                names.OPERATIONS[role],
                job.begun_ns,
                self._now_ns(),
                consumes=True,
                error=error,
                attributes={
                    **spans.asked(role, session, request),
                    names.QUEUE_MS: round(job.queue_ms, 2),
                    names.ATTEMPT: job.attempt,
                    names.OUTCOME: job.outcome,
                    **({} if done is None else spans.done(done)),
                    **({names.ERROR: error} if error else {}),
                },
            )
        )

    def responded(
        self, session: str, started: TurnStarted, stages: Mapping[str, tuple[float, float]]
    ) -> dict[str, str] | None:
        """See :class:`Tracer`."""
        context = self.named(session, started)
        if context is None:
            return None
        now_ns, response_ms = self._now_ns(), stages[""][1]
        measured: dict[str, Attribute] = {
            names.STAGE_MS.format(name): round(end_ms - begin_ms, 2)
            for name, (begin_ms, end_ms) in stages.items()
            if name
        }
        self._export(
            spans.child(
                context,
                names.RESPONSE,
                now_ns - int(response_ms * 1e6),
                now_ns,
                attributes={
                    names.CONVERSATION: session,
                    names.TURN: started.turn,
                    names.RESPONSE_MS: response_ms,
                    **measured,
                },
            )
        )
        return context.exemplar()

    def called(self, session: str, header: str) -> None:
        """See :class:`Tracer`."""
        context = parse(header)
        if context is not None:
            self._book.called(session, context)

    def moved(self, former: str, session: str) -> None:
        """See :class:`Tracer`."""
        self._book.moved(former, session)

    def closed(self, session: str) -> None:
        """See :class:`Tracer`."""
        for turn, entry in self._book.close(session):
            if not entry.context.sampled:
                continue
            self._export(
                Span(
                    name=names.REQUEST,
                    trace_id=entry.context.trace_id,
                    span_id=entry.context.span_id,
                    parent_id=entry.parent,
                    start_ns=entry.begun_ns,
                    end_ns=self._now_ns(),
                    attributes={
                        names.CONVERSATION: session,
                        **({names.TURN: turn} if turn else {}),
                    },
                )
            )

    def _ended(self, session: str, ended: TurnEnded) -> None:
        started = self._started.pop((session, ended.turn), None)
        revision = ended.revision if started is None else started.revision
        entry = self._book.of_turn(session, ended.turn, revision)
        if entry is not None and entry.context.sampled:
            self._export(spans.of_turn(session, ended, started, entry, self._now_ns()))

    def named(self, session: str, event: Event) -> TraceContext | None:
        """See :class:`Tracer`."""
        match event:
            case TranscriptFinal():
                entry = self._book.of_utterance(session, event.utterance)
            case RecogniseRequest():
                entry = self._book.of_file(session)
            case _:
                entry = self._book.of_turn(session, event.turn, event.revision)
        return entry.context if entry is not None and entry.context.sampled else None


def _job(role: str, session: str, event: Event) -> tuple[str | int, ...]:
    """Return which job a message asks for, or tells the end of: a turn may have many calls."""
    place = (event.round, event.seq) if isinstance(event, ToolRequest | ToolDone) else ()
    return (session, role, event.turn, event.revision, *place)


def _keep(table: OrderedDict[Any, Any], key: tuple[object, ...], event: Event) -> None:
    table[key] = event
    if len(table) > KEPT:
        table.popitem(last=False)
