"""What claims say about a job: only what it did to its workers counts against it."""

from __future__ import annotations

from schemas.claim import Claimed, ClaimLeft
from schemas.event import Event
from voicebus.engine_thread import STUCK_S
from voicebus.judgement import HEALTHY_NS, LOST, UNKNOWN, Judgement, Record, judge

SECOND_NS = 1_000_000_000


def claimed(worker: str) -> Event:
    """A worker takes the job."""
    return Claimed(role="llm", worker=worker)


def left(worker: str, cause: str, reason: str = "") -> Event:
    """It gives the job back."""
    return ClaimLeft(role="llm", worker=worker, cause=cause, reason=reason)


def judged(*told: Event | int, since_s: int = 0) -> Judgement:
    """Judge messages that came a second apart; a number is a longer pause in seconds."""
    records, at_s, sequence = [], 0, 10
    for entry in told:
        if isinstance(entry, int):
            at_s += entry
            continue
        records.append(Record(sequence, at_s * SECOND_NS, entry))
        at_s += 1
        sequence += 1
    return judge(records, since_s * SECOND_NS, at_s * SECOND_NS)


def test_workers_that_were_lost_count() -> None:
    """Each claim that was never given back is a worker that the job may have killed."""
    found = judged(claimed("a"), claimed("b"), claimed("c"))

    assert (found.failures, found.deaths, found.reason) == (3, 3, LOST)
    assert found.workers == ("a", "b", "c")
    assert (found.first_ns, found.last_ns) == (0, 2 * SECOND_NS)
    assert (found.last, found.is_held) == (12, True)


def test_work_that_failed_counts_with_its_reason() -> None:
    """Alive or not, the worker could not do it."""
    found = judged(claimed("a"), left("a", "failed", "KeyError: 'x'"), claimed("b"))

    assert (found.failures, found.deaths, found.reason) == (2, 1, LOST)
    assert found.workers == ("a", "b")
    found = judged(claimed("b"), claimed("a"), left("a", "failed", "KeyError: 'x'"))
    assert (found.failures, found.reason, found.is_held) == (2, "KeyError: 'x'", False)


def test_a_drain_is_nobodys_fault() -> None:
    """However often the job changes hands in good order."""
    handed_on = [event for w in "abcdefgh" for event in (claimed(w), left(w, "drained"))]

    found = judged(*handed_on)

    assert (found.failures, found.bus_failures, found.workers) == (0, 0, ())
    assert judged(*handed_on, claimed("z")).failures == 1


def test_a_failing_bus_is_no_fault_of_the_job_but_is_counted() -> None:
    """In a row, and by itself."""
    bus = [event for w in "abc" for event in (claimed(w), left(w, "bus", "BusTimeout"))]

    assert (judged(*bus).failures, judged(*bus).bus_failures) == (0, 3)
    assert judged(*bus, claimed("d"), left("d", "drained")).bus_failures == 0


def test_who_held_it_for_long_did_not_die_of_it() -> None:
    """A session outlives many workers; what came before a long time in good hands is forgotten."""
    long_s = HEALTHY_NS // SECOND_NS + 1

    assert judged(claimed("a"), long_s, claimed("b"), long_s).failures == 0
    assert judged(claimed("a"), claimed("b"), long_s, claimed("c")).workers == ("c",)
    failing = judged(claimed("a"), claimed("b"), long_s, left("b", "failed", "x"))
    assert (failing.failures, failing.reason) == (1, "x")


def test_a_call_that_hangs_is_seen_late_and_counts() -> None:
    """Nobody takes it for healthy that a worker was stuck for a minute before it gave up."""
    stuck_s = round(STUCK_S) + 2
    hung = [e for w in "abc" for e in (claimed(w), stuck_s, left(w, "hung", "recognition hangs"))]

    found = judged(*hung)

    assert (found.failures, found.deaths, found.reason) == (3, 3, "recognition hangs")
    assert found.workers == ("a", "b", "c")


def test_hangs_with_long_good_times_between_them_are_no_poison() -> None:
    """It was not always the same of a long session that hung."""
    long_s = round(STUCK_S) + HEALTHY_NS // SECOND_NS + 1

    found = judged(claimed("a"), claimed("b"), long_s, left("b", "hung", "recognition hangs"))

    assert (found.failures, found.workers) == (1, ("b",))


def test_an_earlier_job_of_the_same_name_is_another_one() -> None:
    """A dead letter that is tried again begins with a clean record, behind the old claims."""
    found = judged(claimed("a"), claimed("b"), claimed("c"), since_s=5)

    assert found == Judgement(last=12, claims=3)


def test_nothing_is_known_of_a_job_without_claims() -> None:
    """It is judged by nobody."""
    assert judged() == UNKNOWN
