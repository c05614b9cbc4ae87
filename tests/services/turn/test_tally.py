"""What is counted of drafts and interruptions."""

from __future__ import annotations

from prometheus_client import REGISTRY

from schemas.event import Event
from schemas.llm import GenerateRequest, SummaryMade
from schemas.tts import ClauseSpoken, SpeechDone
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from services.turn.tally import Tally
from tests.metered import Growth


def counted(name: str, outcome: str, *events: Event) -> float:
    """By how much a counter grew while this was published."""

    def value() -> float:
        return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0

    before = value()
    tally = Tally()
    for event in events:
        tally.note(event)
    return value() - before


ASKED = GenerateRequest(messages=(), speculative=True, turn=1)
SPECULATIONS = "voicebus_speculations_total"
INTERRUPTIONS = "voicebus_interruptions_total"


def test_a_draft_that_was_right_is_used() -> None:
    """And begun, and not wasted."""
    used = (ASKED, TurnStarted(text="a", turn=1, speculated=True))

    assert counted(SPECULATIONS, "begun", *used) == 1
    assert counted(SPECULATIONS, "used", *used) == 1
    assert counted(SPECULATIONS, "wasted", *used) == 0


def test_a_draft_that_was_cancelled_is_wasted() -> None:
    """A cancelled turn is not."""
    wasted = (ASKED, TurnCancelled(turn=1))
    interrupted = (TurnStarted(text="a", turn=1), TurnCancelled(turn=1))

    assert counted(SPECULATIONS, "wasted", *wasted) == 1
    assert counted(SPECULATIONS, "wasted", *interrupted) == 0


def test_an_interruption_is_confirmed_or_false() -> None:
    """Where the reply had paused; cancelling by other means is none."""
    started = TurnStarted(text="a", turn=1)
    false = (started, ReplyPaused(turn=1), ReplyResumed(turn=1))
    confirmed = (started, ReplyPaused(turn=1), TurnCancelled(turn=1))

    assert counted(INTERRUPTIONS, "false", *false) == 1
    assert counted(INTERRUPTIONS, "confirmed", *confirmed) == 1
    assert counted(INTERRUPTIONS, "confirmed", started, TurnCancelled(turn=1)) == 0


def test_turns_are_counted_by_how_they_ended() -> None:
    """Once each."""
    ended = TurnEnded(turn=1, outcome="interrupted")

    assert counted("voicebus_turns_total", "interrupted", ended) == 1


def heard_ratio(*events: Event) -> tuple[float, float]:
    """By how much count and sum grew while this was heard and published."""

    def value(part: str) -> float:
        return REGISTRY.get_sample_value(f"voicebus_reply_heard_ratio_{part}") or 0.0

    before = (value("count"), value("sum"))
    tally = Tally()
    for event in events:
        tally.spoken(event)
        tally.note(event)
    return value("count") - before[0], value("sum") - before[1]


def test_how_much_of_a_reply_was_heard_is_measured() -> None:
    """Of what was made of it; a reply without audio, or of whose playback nobody knows, is none."""
    made = ClauseSpoken(turn=1, text="a b", start_ms=0, end_ms=1_000)
    cut = TurnEnded(turn=1, outcome="interrupted", heard_ms=250)

    assert heard_ratio(made, cut) == (1, 0.25)
    assert heard_ratio(made, SpeechDone(turn=1, samples=12_000, rate_hz=24_000), cut) == (1, 0.5)
    assert heard_ratio(cut) == (0, 0)
    assert heard_ratio(made, TurnEnded(turn=1, outcome="failed")) == (0, 0)


def test_an_answer_of_a_personas_own_is_counted() -> None:
    """Where somebody asked; a greeting is no answer."""
    growth = Growth()
    tally = Tally()
    for started in (
        TurnStarted(turn=1, text="", said="Welcome."),
        TurnStarted(turn=2, text="When?", said="At nine."),
        TurnStarted(turn=3, text="Why?"),
    ):
        tally.note(started)

    assert growth.of("voicebus_instant_answers_total") == 1


def test_summaries_are_counted_by_what_became_of_them() -> None:
    """As the conversation hears of them."""
    growth = Growth()
    tally = Tally()
    for made in (SummaryMade(text="a", through=1), SummaryMade(text="", through=2, error="engine")):
        tally.spoken(made)

    assert growth.of("voicebus_summaries_total", outcome="made") == 1
    assert growth.of("voicebus_summaries_total", outcome="failed") == 1
