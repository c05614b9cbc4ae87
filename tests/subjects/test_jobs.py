"""Jobs and the claims on them, by their subjects."""

from __future__ import annotations

import pytest

from schemas.tts import SpeakRequest
from subjects.catalog import Place, subject_of
from subjects.jobs import claim_of, job_behind, job_of, role_of

PLACE = Place("cell", "edge-1", "session-1")
JOB = subject_of(SpeakRequest, PLACE, job="3-1")


def test_a_job_is_named_by_the_last_token() -> None:
    """Turn and revision stand at the end of a job's subject."""
    assert job_of(JOB) == "3-1"
    assert role_of(JOB) == "tts"


def test_a_claim_leads_back_to_its_job() -> None:
    """Who finds a dead worker's claim finds the job that it is on."""
    assert claim_of(JOB) == "vb.cell.dn.edge-1.session-1.claim.tts.3-1"
    assert job_behind(claim_of(JOB)) == JOB


@pytest.mark.parametrize("subject", ["", JOB, "vb.c.dn.e.s.final", "vb.c.up.e.s.claim.tts.1"])
def test_what_is_no_claim_has_no_job_behind_it(subject: str) -> None:
    """A job's subject is none of a claim, either."""
    with pytest.raises(ValueError, match="not a claim's subject"):
        job_behind(subject)
