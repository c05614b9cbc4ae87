"""Jobs that nobody can do."""

from __future__ import annotations

from schemas.event import Event


class DeadLetter(Event, frozen=True, kw_only=True, tag="job.dead"):
    """A job that is given to no other worker: it killed or failed too many, or is no message.

    Fields
        role: Whose job it was: ``stt``, ``turn``, ``llm``, ``tts`` or ``tool``. Its writer
            says so; permissions bind the one in the subject.
        request: The job, encoded as it was.
        reason: What the last of the workers died of, as far as anybody knows, or why the job
            cannot be read.
        failures: How many workers it killed or failed.
        workers: Their names, in the order of their claims.
        first_ns: When the first of them claimed it, in ns since 1970, by the store's clock.
        last_ns: When the last one did.
        cut_bytes: How many bytes of the job's end were not kept, because no worker could read it.
    """

    role: str
    request: bytes
    reason: str
    failures: int
    workers: tuple[str, ...] = ()
    first_ns: int = 0
    last_ns: int = 0
    cut_bytes: int = 0
