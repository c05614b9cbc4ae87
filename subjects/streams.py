"""The streams that record, and the durable consumers that hand out jobs.

Sizes and ages are arguments, because a laptop and a cluster differ in nothing else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from schemas.event import Event
from subjects.catalog import CATALOG, PERSONAS, ROOT

STAGES: Final = ("stt", "turn", "llm", "tts")
"""The roles without whose workers nobody is answered."""

ROLES: Final = (*STAGES, "tool")
"""Every role has one durable consumer on JOBS, of the same name."""

ACK_WAIT_S: Final = 15
"""A held claim is handed on after this long without a sign of life. Not shorter: with 2 s, the
crash of a consumer's leader took every healthy claim from its worker."""

MAX_FAILURES: Final = 3
"""A job that has killed or failed this many workers is a dead letter; the caller gets a Failure."""

MAX_BUS_FAILURES: Final = 4
"""A job over which the bus itself failed this often is given up: the caller has waited enough."""

MAX_HANDOVERS: Final = 1_000
"""How often a job may change hands at all. A worker that drains hands its sessions on, and a
session that outlives many of them is no failure."""


REMEMBERED: Final = frozenset({"SESSION", "JOBS", "VOICE", "TELEGRAM", "UPDATES"})
"""Streams of what must not be missing later, and in its order."""

PLACED: Final = frozenset({"AUDIO", "REPLY"})
"""Streams whose messages say where they belong, by offset and number: who reads puts them there,
however late they were stored, and drops copies."""


_VERSIONS: Final = 16
"""Versions of what an author writes that stay, the newest."""


class Record(StrEnum):
    """What of a session is recorded."""

    ALL = "all"
    """Everything that the catalog names a stream for."""

    CLAIMS = "claims"
    """Jobs, claims and the client's orders, without which no worker starts. The live path alone
    carries the rest: a worker that takes a session over finds nothing of it."""


_CLAIM_LEAVES: Final = frozenset({"control", "claim"})
_NEEDED: Final = frozenset(
    {"JOBS", "DEAD", "LINK", "VOICE", "TELEGRAM", "UPDATES", f"KV_{PERSONAS}"}
)
_SESSION_LEAVES: Final = (
    "final",
    "turn",
    "token",
    "clause",
    "spoken",
    "done",
    "calls",
    "tool",
    "usage",
    "summary",
    "failure",
    "cancel",
    "claim.*.*",
)


def stream_of(kind: type[Event], record: Record) -> str:
    """Return the name of the stream that records messages of ``kind``; empty when none does."""
    route = CATALOG[kind]
    if record is Record.ALL or not route.stream:
        return route.stream
    needed = route.stream in _NEEDED or _leaf(route.pattern) in _CLAIM_LEAVES
    return route.stream if needed else ""


def _leaf(pattern: str) -> str:
    return ".".join(pattern.split(".")[5:6])


class Limits(Struct, frozen=True, kw_only=True):
    """How much the streams keep. Oldest goes first, except for jobs, which are refused.

    Fields
        audio_age_s: Age at which callers' audio is dropped.
        audio_bytes: Size of all callers' audio.
        reply_age_s: Age at which reply audio is dropped.
        reply_bytes: Size of all reply audio.
        session_age_s: Age at which transcripts and turn events are dropped.
        session_bytes: Size of all of them.
        conversation_age_s: Age at which a conversation is dropped in which nothing was said.
        conversation_bytes: Size of all conversations.
        link_age_s: How long a link code is good.
        phrase_age_s: Age at which the audio of a phrase that is said often is made anew.
        phrase_bytes: Size of all such audio.
        replicas: 1 on a single server, 3 in a cluster.
        session_tag: Tag of the servers that keep transcripts, turn events and jobs; empty: any.
        record: What is recorded at all.
    """

    audio_age_s: int = 24 * 3600
    audio_bytes: int = 1 << 30
    reply_age_s: int = 24 * 3600
    reply_bytes: int = 512 << 20
    session_age_s: int = 7 * 24 * 3600
    session_bytes: int = 512 << 20
    conversation_age_s: int = 30 * 24 * 3600
    conversation_bytes: int = 64 << 20
    link_age_s: int = 300
    phrase_age_s: int = 7 * 24 * 3600
    phrase_bytes: int = 32 << 20
    replicas: int = 1
    session_tag: str = ""
    record: Record = Record.ALL


class Stream(Struct, frozen=True, kw_only=True):
    """A stream as it should be.

    Fields
        name: Its name.
        subjects: What it records, with a wildcard for the cell.
        retention: ``limits`` or ``workqueue``.
        discard: ``old`` drops the oldest when full, ``new`` refuses the newcomer.
        max_age_s: Age limit.
        max_bytes: Size limit; always set, a stream without one fills the disk.
        replicas: Copies.
        deny_delete: Whether no message can be removed by itself.
        per_subject: How many messages of a subject are kept, the newest; -1 for all.
        tag: Tag of the servers that keep it; empty: any.
        is_bucket: Whether it is a key-value bucket.
    """

    name: str
    subjects: tuple[str, ...]
    retention: str
    discard: str
    max_age_s: int
    max_bytes: int
    replicas: int
    deny_delete: bool = True
    per_subject: int = -1
    tag: str = ""
    is_bucket: bool = False


def streams(limits: Limits) -> tuple[Stream, ...]:
    """Return every stream of the system."""
    tree = f"{ROOT}.*"
    session_leaves: tuple[str, ...] = _SESSION_LEAVES
    audio, reply = f"{tree}.up.*.*.audio", f"{tree}.dn.*.*.audio"
    conversation, phrase = f"{tree}.conversation.*", f"{tree}.phrase.*"
    if limits.record is Record.CLAIMS:
        # The streams stay, empty: whoever looks for the past finds that there is none.
        audio, reply, session_leaves = "unrecorded.audio", "unrecorded.reply", ("claim.*.*",)
        conversation, phrase = "unrecorded.conversation", "unrecorded.phrase"
    return (
        Stream(
            name="AUDIO",
            subjects=(audio,),
            retention="limits",
            discard="old",
            max_age_s=limits.audio_age_s,
            max_bytes=limits.audio_bytes,
            replicas=limits.replicas,
        ),
        Stream(
            name="REPLY",
            subjects=(reply,),
            retention="limits",
            discard="old",
            max_age_s=limits.reply_age_s,
            max_bytes=limits.reply_bytes,
            replicas=limits.replicas,
        ),
        Stream(
            name="SESSION",
            subjects=(
                f"{tree}.up.*.*.control",
                *(f"{tree}.dn.*.*.{leaf}" for leaf in session_leaves),
            ),
            retention="limits",
            discard="old",
            max_age_s=limits.session_age_s,
            max_bytes=limits.session_bytes,
            replicas=limits.replicas,
            tag=limits.session_tag,
        ),
        Stream(
            name="JOBS",
            subjects=(f"{tree}.job.*.*.*.*",),
            retention="workqueue",
            discard="new",
            max_age_s=24 * 3600,
            max_bytes=64 << 20,
            replicas=limits.replicas,
            tag=limits.session_tag,
        ),
        Stream(
            name="DEAD",
            subjects=(f"{tree}.dead.*.*.*.*",),
            retention="limits",
            discard="old",
            max_age_s=limits.session_age_s,
            max_bytes=32 << 20,
            replicas=limits.replicas,
            deny_delete=False,
            tag=limits.session_tag,
        ),
        _newest(
            "CONVERSATION",
            conversation,
            limits.conversation_age_s,
            limits.conversation_bytes,
            limits,
        ),
        _newest("LINK", f"{tree}.link.*", limits.link_age_s, 4 << 20, limits),
        _newest("PHRASE", phrase, limits.phrase_age_s, limits.phrase_bytes, limits),
        _voices(f"{tree}.voice.*", limits),
        # A chat in which nobody chose or asked anything for a year is forgotten.
        _of_telegram("TELEGRAM", ("owner", "chat.*"), 366 * 24 * 3600, limits),
        # Telegram itself keeps updates for a day: none comes again later.
        _of_telegram("UPDATES", ("update.*",), 2 * 24 * 3600, limits),
        Stream(
            name=f"KV_{PERSONAS}",
            subjects=(f"$KV.{PERSONAS}.>",),
            retention="limits",
            discard="new",
            max_age_s=10 * 366 * 24 * 3600,
            max_bytes=64 << 20,
            replicas=limits.replicas,
            per_subject=_VERSIONS,
            tag=limits.session_tag,
            is_bucket=True,
        ),
    )


def _of_telegram(name: str, leaves: tuple[str, ...], age_s: int, limits: Limits) -> Stream:
    subjects = tuple(f"{ROOT}.*.telegram.*.{leaf}" for leaf in leaves)
    return msgspec.structs.replace(_newest(name, "", age_s, 64 << 20, limits), subjects=subjects)


def _voices(subject: str, limits: Limits) -> Stream:
    """Voices stay until somebody removes them, or nobody does for ten years.

    One that does not fit is refused: an old one that went for it would be missing in mid-sentence.
    """
    kept = _newest("VOICE", subject, 3660 * 24 * 3600, 64 << 20, limits)
    return msgspec.structs.replace(kept, discard="new")


def _newest(name: str, subject: str, age_s: int, size_bytes: int, limits: Limits) -> Stream:
    """Return a stream that keeps the newest of each subject."""
    return Stream(
        name=name,
        subjects=(subject,),
        retention="limits",
        discard="old",
        max_age_s=age_s,
        max_bytes=size_bytes,
        replicas=limits.replicas,
        per_subject=1,
        tag=limits.session_tag,
    )


def job_filter(cell: str, role: str) -> str:
    """Return the subject filter of a role's durable consumer."""
    return f"{ROOT}.{cell}.job.{role}.>"


def every_job(cell: str) -> str:
    """Return the wildcard of all jobs of a cell."""
    return f"{ROOT}.{cell}.job.>"


def consumer_name(cell: str, role: str) -> str:
    """Return the name of a role's durable consumer in one cell."""
    return f"{cell}-{role}"
