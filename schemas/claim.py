"""Who works on what, and who is there."""

from __future__ import annotations

from schemas.event import Event


class Claimed(Event, frozen=True, kw_only=True, tag="claim.taken"):
    """A worker took a job. Written with compare-and-set; its stream sequence is the epoch.

    Fields
        role: ``stt``, ``turn``, ``llm`` or ``tts``.
        worker: Name of the worker's process.
        delivery: 1 for the first worker that was given the job, 2 after a takeover …
        ack: Subject on which the job is acknowledged; a supervisor can hand it on with it.
    """

    role: str
    worker: str
    delivery: int = 1
    ack: str = ""


class ClaimLeft(Event, frozen=True, kw_only=True, tag="claim.left"):
    """A worker gave its claim back, alive. A claim without it was held by one that was lost.

    Written with compare-and-set onto the claim: from here on the worker owns nothing.

    Fields
        role: ``stt``, ``turn``, ``llm`` or ``tts``.
        worker: Name of the worker's process.
        cause: ``drained`` (it is going), ``bus`` (the bus failed it), ``failed`` (the work did),
            ``hung`` (the engine never returned from what it did for this job).
        reason: Why, for people: the kind of the error, and what it said.
    """

    role: str
    worker: str
    cause: str
    reason: str = ""


class DrainAsked(Event, frozen=True, kw_only=True, tag="claim.drain"):
    """A person wants a worker to hand on what it holds and to end. Not recorded.

    Fields
        worker: Name of the worker's process.
    """

    worker: str


class Presence(Event, frozen=True, kw_only=True, tag="claim.presence"):
    """A worker's sign of life, every two seconds. Not recorded.

    Fields
        role: ``stt``, ``turn``, ``llm``, ``tts``, ``edge`` or ``supervisor``.
        worker: Name of the worker's process.
        slots: How many claims it can hold.
        busy: How many it holds.
        state: ``ready``, ``draining`` or, as its last word, ``drained``.
        engine: What it runs.
        metrics: URL of its metrics page.
        life: New at each start of a process that keeps its name; empty for others.
        p50_ms: How long callers waited for it lately, half of the time: STT from an end of turn to
            the final, LLM to the first token, TTS to the first sound; 0 where nobody says.
        p99_ms: The same, 99 of 100 times.
        returns: Edges only: how often it had lost the bus and came back to it.
        promised: Edges only: places of ``stt`` that it keeps for sessions of which nobody was asked
            to hear anything yet.
        refused: Edges only: callers who were sent away because no place was free, and are not to be
            back before now: those of the last five seconds.
        models: The models that it serves, the default one first.
        voices: TTS only: the voices that it has, the default one first.
        servers: Tool only: the servers whose functions it calls.
    """

    role: str
    worker: str
    slots: int
    busy: int
    state: str = "ready"
    engine: str = ""
    metrics: str = ""
    life: str = ""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    returns: int = 0
    promised: int = 0
    refused: int = 0
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


class Demand(Event, frozen=True, kw_only=True, tag="claim.demand"):
    """How much work a stage has, and how much it can hold: what the number of workers follows.

    Told every second by one supervisor, of each stage. Not recorded.

    Fields
        role: ``stt``, ``turn``, ``llm`` or ``tts``.
        waiting: Jobs that no worker has yet.
        held: Jobs that workers have.
        slots: How many jobs the ready workers can hold.
        workers: How many ready workers there are.
        promised: Places that edges keep for sessions which have no job of this stage yet.
        refused: Callers who were sent away of late because no place was free; no more than slots.
    """

    role: str
    waiting: int
    held: int
    slots: int
    workers: int
    promised: int = 0
    refused: int = 0

    @property
    def whole(self) -> int:
        """What there should be slots for."""
        return self.waiting + self.held + self.promised + self.refused
