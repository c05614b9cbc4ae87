"""Who holds which job."""

from __future__ import annotations

import pytest

from schemas.claim import Claimed
from schemas.llm import GenerateRequest
from subjects.catalog import Place, subject_of
from subjects.jobs import claim_of, job_behind
from voicebus.failover.ledger import Held, Ledger, held


def claim(job: str, worker: str, sequence: int = 1, delivery: int = 1) -> Held:
    """A claim on a job."""
    return Held(job, worker, "llm", f"ack {job} {delivery}", (sequence, delivery))


def test_a_claim_says_which_delivery_it_is_of() -> None:
    """The acknowledgement subject holds the job's sequence and the number of the delivery."""
    claimed = Claimed(
        role="stt", worker="a", ack="$JS.ACK.JOBS.c-stt.3.17.20.1795289447742874404.0"
    )

    known = held("vb.c.job.stt.e.s.session", claimed)

    assert known.order == (17, 3)
    assert (known.worker, known.role, known.ack) == ("a", "stt", claimed.ack)


@pytest.mark.parametrize("ack", ["", "$JS.ACK.JOBS.c-llm.3.17.20.1795289447742874404.0"])
def test_a_claim_without_an_acknowledgement_subject_of_its_role_is_refused(ack: str) -> None:
    """Nothing could be handed on by it, or what belongs to others."""
    with pytest.raises(ValueError, match="not an acknowledgement"):
        held("vb.c.job.stt.e.s.session", Claimed(role="stt", worker="a", ack=ack))


def test_a_workers_claims_are_taken_once() -> None:
    """To hand a job on twice would take it from the one who has it by then."""
    ledger = Ledger()
    ledger.record(claim("one", "a"))
    ledger.record(claim("two", "a"))
    ledger.record(claim("three", "b"))

    assert [each.job for each in ledger.take("a")] == ["one", "two"]
    assert ledger.take("a") == ()
    assert set(ledger.workers) == {"b"}


def test_the_next_owner_holds_the_claim() -> None:
    """Once another worker has the job, the first one's death takes nothing from it."""
    ledger = Ledger()
    ledger.record(claim("one", "a"))
    ledger.record(claim("one", "b", delivery=2))

    assert ledger.take("a") == ()
    assert [each.ack for each in ledger.take("b")] == ["ack one 2"]


def test_a_claim_that_came_too_late_changes_nothing() -> None:
    """What the store refuses is heard all the same: an outdated worker is not the owner."""
    ledger = Ledger()
    ledger.record(claim("one", "b", delivery=2))
    ledger.record(claim("one", "a", delivery=1))

    assert ledger.take("a") == ()
    assert len(ledger.take("b")) == 1


def test_a_job_of_the_same_name_that_was_published_again_is_another_one() -> None:
    """Its deliveries count from one again; its sequence is higher."""
    ledger = Ledger()
    ledger.record(claim("one", "a", sequence=4, delivery=3))
    ledger.record(claim("one", "b", sequence=9, delivery=1))

    assert [each.worker for each in ledger.take("b")] == ["b"]


def test_jobs_that_are_done_are_forgotten() -> None:
    """Memory follows the jobs that are open, not those that ever were."""
    ledger = Ledger()
    ledger.record(claim("done", "a"))
    ledger.record(claim("open", "a"))
    clock = ledger.clock
    ledger.record(claim("new", "b"))

    ledger.keep({"open"}, clock)

    assert [each.job for each in ledger.take("a")] == ["open"]
    assert [each.job for each in ledger.take("b")] == ["new"]
    assert len(ledger) == 2


def test_forgetting_leaves_no_worker_behind() -> None:
    """A worker whose jobs are all done is not waited for."""
    ledger = Ledger()
    ledger.record(claim("done", "a"))

    ledger.keep((), ledger.clock)

    assert len(ledger) == 0
    assert not ledger.workers


def test_a_job_and_its_claims_name_each_other() -> None:
    """The subject of one is made from that of the other."""
    job = subject_of(GenerateRequest, Place("c", "e", "s"), job="3-1")

    assert job_behind(claim_of(job)) == job


@pytest.mark.parametrize("subject", ["vb.c.dn.e.s.final", "vb.c.job.llm.e.s.1-0", "x"])
def test_what_is_no_claim_has_no_job(subject: str) -> None:
    """A subject of another form is an error, not a wrong job."""
    with pytest.raises(ValueError, match="not a claim"):
        job_behind(subject)


def test_what_was_given_back_is_not_taken_from_its_next_holder() -> None:
    """A worker that drained and ended holds nothing; what another gave back is none of its own."""
    ledger = Ledger()
    ledger.record(claim("one", "a"))
    ledger.record(claim("two", "b"))
    ledger.left("one", "a")
    ledger.left("two", "a")
    ledger.left("three", "a")

    assert ledger.take("a") == ()
    assert [each.job for each in ledger.take("b")] == ["two"]
