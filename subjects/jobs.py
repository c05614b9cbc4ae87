"""The subjects of jobs, and of the claims on them: the one from the other."""

from __future__ import annotations

from schemas.claim import Claimed, Demand
from subjects.catalog import CATALOG, ROOT, place_of, subject_of


def job_of(subject: str) -> str:
    """Return the job's name: the last token of a job's subject."""
    return subject.rsplit(".", 1)[1]


def role_of(subject: str) -> str:
    """Return whose a job is: the role in the subject of the job, or of its dead letter."""
    return subject.split(".")[3]


def claim_of(job: str) -> str:
    """Return the subject of the claims on a job, from the job's subject.

    Raises:
        ValueError: It is not a job's subject.
    """
    return subject_of(Claimed, place_of(job), role_of(job), job_of(job))


def job_behind(claim: str) -> str:
    """Return a job's subject from that of the claims on it.

    Raises:
        ValueError: It is not a claim's subject.
    """
    match claim.split("."):
        case [root, cell, "dn", edge, session, "claim", role, job] if root == ROOT:
            return f"{ROOT}.{cell}.job.{role}.{edge}.{session}.{job}"
    raise ValueError(f"not a claim's subject: {claim!r}")


def demand_subject(cell: str, role: str) -> str:
    """Return the subject on which a stage's demand is told; ``*`` for all."""
    return CATALOG[Demand].pattern.format(cell=cell, stage=role)


def dead_letters(cell: str) -> str:
    """Return the wildcard that holds all jobs of a cell that were given up."""
    return f"{ROOT}.{cell}.dead.>"
