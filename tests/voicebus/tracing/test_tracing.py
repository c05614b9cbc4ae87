"""Which spans a process makes of what it says and does."""

from __future__ import annotations

from schemas.claim import Claimed
from schemas.llm import GenerateRequest, GenerationDone, SummariseRequest
from schemas.stt import PassageRecognised, RecogniseRequest, TranscribeRequest, TranscriptFinal
from schemas.tool import ToolDone, ToolRequest
from schemas.tts import ReplyChunk
from schemas.turn import ConverseRequest, TurnEnded, TurnStarted
from subjects.catalog import CATALOG, Place, subject_of
from subjects.streams import ROLES
from voicebus.tracing import conventions
from voicebus.tracing.book import CARRIERS
from voicebus.tracing.context import HEADER, TraceContext
from voicebus.tracing.spans import Span
from voicebus.tracing.tracing import Job, Tracing

PLACE = Place("local", "e", "s")
CONTEXT = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
DROPPED = TraceContext(CONTEXT.trace_id, CONTEXT.span_id, sampled=False)
ASKED = GenerateRequest(messages=(), turn=1)
STARTED = TurnStarted(text="x", turn=1, utterance=1)
FINAL = TranscriptFinal(utterance=1, text="x", start_ms=0, end_ms=1_000, end_offset=16_000)
MS = 1_000_000


class Process:
    """One that traces, with its clock."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.now_ms = 10_000.0
        self.tracing = Tracing(self.spans.append, now_ns=lambda: int(self.now_ms * MS))

    def hears(
        self, event: GenerateRequest | ToolRequest | TurnStarted | TranscriptFinal, header: str
    ) -> None:
        """A message comes."""
        job = "1-0" if isinstance(event, GenerateRequest | ToolRequest) else ""
        self.tracing.heard(subject_of(type(event), PLACE, job=job), event, header)


def job(outcome: str) -> Job:
    """A worker's time with a job that had waited for 5 ms."""
    done = Job(attempt=2)
    done.begun_ns, done.queue_ms, done.outcome = 9_000 * MS, 5.0, outcome
    return done


def test_a_job_is_a_span_with_what_its_end_said() -> None:
    """From being claimed on."""
    worker = Process()
    worker.hears(ASKED, CONTEXT.header())
    done = GenerationDone(turn=1, text="x", model="m", tokens=7, ttft_ms=12.0, provider="p")
    worker.tracing.said("s", done)

    worker.tracing.worked("llm", "s", ASKED, job("done"))

    (span,) = worker.spans
    assert span.attributes["gen_ai.provider.name"] == "p"
    assert (span.name, span.parent_id, span.error) == ("chat", CONTEXT.span_id, "")
    assert span.end_ns - span.start_ns == 1_000 * MS
    assert span.attributes["gen_ai.usage.output_tokens"] == 7
    assert span.attributes["gen_ai.response.model"] == "m"
    assert span.attributes["voicebus.queue_ms"] == 5.0
    assert span.attributes["voicebus.attempt"] == 2


def test_a_passage_of_a_file_is_a_span_with_its_length() -> None:
    """By its number in the file, which is no turn."""
    worker = Process()
    passage = RecogniseRequest(start=16_000, cut_from=1, end=64_000, turn=3)
    subject = subject_of(RecogniseRequest, PLACE, job="3-0")
    worker.tracing.heard(subject, passage, CONTEXT.header())
    recognised = PassageRecognised(start=16_000, end=48_000, language="en", compute_ms=80.0, turn=3)
    worker.tracing.said("s", recognised)

    worker.tracing.worked("stt", "s", passage, job("done"))

    (span,) = worker.spans
    assert (span.name, span.parent_id) == ("speech_to_text", CONTEXT.span_id)
    assert span.attributes["voicebus.passage"] == 3
    assert span.attributes["voicebus.audio_ms"] == 2_000
    assert span.attributes["voicebus.compute_ms"] == 80.0
    assert "voicebus.turn" not in span.attributes


def test_each_function_that_a_reply_calls_is_a_span() -> None:
    """By its name, and never with what it was called with; one that failed says so."""
    worker = Process()
    calls = [
        ToolRequest(
            round=1, server="shop", name=name, arguments="{}", call=f"c{seq}", turn=1, seq=seq
        )
        for seq, name in enumerate(("stock", "price"))
    ]
    for call in calls:
        worker.hears(call, CONTEXT.header())
    # The second one is faster.
    worker.tracing.said("s", ToolDone(round=1, content="x", failed=True, turn=1, seq=1))
    worker.tracing.worked("tool", "s", calls[1], job("done"))
    worker.tracing.said("s", ToolDone(round=1, content="x", turn=1, seq=0))
    worker.tracing.worked("tool", "s", calls[0], job("done"))

    price, stock = worker.spans
    assert (stock.name, stock.parent_id, stock.error) == ("execute_tool", CONTEXT.span_id, "")
    assert (price.error, price.attributes["error.type"]) == ("failed", "failed")
    assert [span.attributes["gen_ai.tool.name"] for span in worker.spans] == ["price", "stock"]
    assert stock.attributes["voicebus.tool.server"] == "shop"
    assert "{}" not in stock.attributes.values()


def test_every_job_of_a_turn_carries_its_trace_and_has_a_span() -> None:
    """A stage that is added later is not left out. The others are of sessions, as is a summary."""
    of_sessions = {ConverseRequest, TranscribeRequest, SummariseRequest}
    jobs = {kind for kind, route in CATALOG.items() if route.stream == "JOBS"}

    assert of_sessions < jobs
    assert jobs - of_sessions <= CARRIERS
    assert set(conventions.OPERATIONS) == set(ROLES) - {"turn"}


def test_a_job_that_failed_is_a_span_with_an_error() -> None:
    """One that was handed on is none: it goes on elsewhere."""
    worker = Process()
    worker.hears(ASKED, CONTEXT.header())

    worker.tracing.worked("llm", "s", ASKED, job("failed"))
    worker.tracing.worked("llm", "s", ASKED, job("handed_on"))

    assert [span.error for span in worker.spans] == ["failed", ""]
    assert worker.spans[0].attributes["error.type"] == "failed"


def test_whoever_takes_a_turn_over_ends_its_trace() -> None:
    """The log has the trace; the turn began when its caller did, not with the second worker."""
    second = Process()
    for event, at_ms in ((FINAL, 7_000), (STARTED, 7_010)):
        subject = subject_of(type(event), PLACE)
        second.tracing.heard(subject, event, CONTEXT.header(), at_ms * MS)

    second.tracing.said("s", TurnEnded(turn=1, outcome="interrupted", heard_ms=640))

    (root,) = second.spans
    assert (root.trace_id, root.span_id, root.parent_id) == (
        CONTEXT.trace_id,
        CONTEXT.span_id,
        "",
    )
    assert (root.start_ns, root.end_ns) == (6_000 * MS, 10_000 * MS)
    assert root.attributes["gen_ai.agent.invocation.end_reason"] == "interrupted"
    assert root.attributes["voicebus.heard_ms"] == 640


def test_of_a_trace_that_is_not_kept_there_are_no_spans() -> None:
    """Whoever decided it; the head goes on saying so."""
    worker = Process()
    worker.hears(ASKED, DROPPED.header())
    worker.hears(FINAL, DROPPED.header())

    worker.tracing.worked("llm", "s", ASKED, job("done"))
    worker.tracing.said("s", FINAL)
    worker.tracing.said("s", TurnEnded(turn=1, outcome="completed"))
    told = worker.tracing.responded("s", STARTED, {"": (0.0, 1.0)})

    assert (worker.spans, told) == ([], None)
    assert worker.tracing.head("s", ASKED) == {HEADER: DROPPED.header()}


def test_a_head_that_is_none_is_as_good_as_no_head() -> None:
    """Whoever wrote it: the work goes on, in a trace of its own."""
    worker = Process()

    worker.hears(FINAL, "00-zz-\x00-01")
    head = worker.tracing.head("s", ASKED)

    assert head is not None
    assert len(head[HEADER]) == len(CONTEXT.header())


def test_audio_and_claims_carry_nothing() -> None:
    """There are many of the former, and the latter begin nothing."""
    worker = Process()
    chunk = ReplyChunk(turn=1, pcm=b"\0\0", rate_hz=24_000, offset=0)

    assert worker.tracing.head("s", chunk) is None
    assert worker.tracing.head("s", Claimed(turn=1, role="llm", worker="w")) is None
