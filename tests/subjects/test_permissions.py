"""What each role may do, told from the table. tests/security/ asks a real server the same."""

from __future__ import annotations

import pytest

from schemas.claim import Claimed, ClaimLeft, DrainAsked
from schemas.event import Event
from schemas.llm import GenerateRequest, SummariseRequest
from subjects.catalog import CATALOG, Place, subject_of
from subjects.inboxes import edge_inbox
from subjects.permissions import EDGE, OPERATORS, SYSTEM, TELEGRAM, Permissions, permissions
from subjects.processes import presence_subject
from subjects.streams import ROLES, Limits, consumer_name, streams
from tests.subjects.test_catalog import matches

PLACE = Place("here", "web", "s1")
EVERYONE = (*ROLES, *OPERATORS, SYSTEM, EDGE)
CARRIERS = (*ROLES, EDGE)
"""Roles that carry sessions."""


def of(role: str) -> Permissions:
    """The permissions of a role; the edge is that of ``PLACE``."""
    return permissions(role, PLACE.cell, f"U{role.upper()}", PLACE.edge)


def allows(among: tuple[str, ...], subject: str) -> bool:
    """Whether a subject is among what is allowed."""
    return any(matches(pattern, subject) for pattern in among)


def covers(among: tuple[str, ...], wanted: str) -> bool:
    """Whether all that a wildcard would hear is among what is allowed."""
    for pattern in among:
        tokens, asked = pattern.split("."), wanted.split(".")
        if tokens[-1] == ">":
            tokens, asked = tokens[:-1], asked[: len(tokens) - 1]
        elif asked[-1] == ">":
            continue
        if len(tokens) == len(asked) and all(
            token == ask or (token == "*" and ask != ">")
            for token, ask in zip(tokens, asked, strict=True)
        ):
            return True
    return False


def written_by(kind: type[Event], role: str) -> str:
    """The subject on which a role publishes a kind of message."""
    if "presence" in CATALOG[kind].pattern:
        return presence_subject(PLACE.cell, role, PLACE.edge if role == EDGE else "w1")
    return subject_of(kind, PLACE, role, "1-0")


@pytest.mark.parametrize("kind", CATALOG)
@pytest.mark.parametrize("role", EVERYONE)
def test_a_role_publishes_what_the_table_says(role: str, kind: type[Event]) -> None:
    """And nothing else, unless another of its messages has the same subject."""
    subject = written_by(kind, role)
    is_writer = any(
        role in route.writers and written_by(other, role) == subject
        for other, route in CATALOG.items()
    )

    assert allows(of(role).publish, subject) is (is_writer or role == "admin")


@pytest.mark.parametrize("kind", [kind for kind, route in CATALOG.items() if route.readers])
@pytest.mark.parametrize("role", CARRIERS)
def test_a_role_hears_what_the_table_says(role: str, kind: type[Event]) -> None:
    """A job is no message to be heard: it is handed out, to one."""
    named = "stt" if role == EDGE else role
    subject = written_by(kind, named)
    same = [r for other, r in CATALOG.items() if written_by(other, named) == subject]
    is_heard = any(role in r.readers and r.stream != "JOBS" for r in same)
    if role == EDGE:
        is_heard = is_heard or matches(edge_inbox(PLACE.cell, PLACE.edge), subject)

    assert allows(of(role).subscribe, subject) is is_heard


_OF_MODEL = (GenerateRequest, SummariseRequest)


@pytest.mark.parametrize("kind", CATALOG)
def test_a_bridge_is_an_edge_with_a_memory_and_no_language_model(kind: type[Event]) -> None:
    """It may what an edge may, but for jobs of the model, and what the table gives to it alone."""
    subject = written_by(kind, EDGE)
    allowed = of(TELEGRAM)

    is_edge_s = allows(of(EDGE).publish, subject) and kind not in _OF_MODEL
    assert allows(allowed.publish, subject) is (is_edge_s or TELEGRAM in CATALOG[kind].writers)
    assert allows(allowed.subscribe, subject) is (
        allows(of(EDGE).subscribe, subject) or TELEGRAM in CATALOG[kind].readers
    )


@pytest.mark.parametrize("kind", [Claimed, ClaimLeft, DrainAsked])
@pytest.mark.parametrize("role", ["turn", "llm", "tts"])
def test_a_worker_hears_claims_and_orders_of_its_own_role(role: str, kind: type[Event]) -> None:
    """Who works on what in another stage is none of its business."""
    assert allows(of(role).subscribe, written_by(kind, role))
    assert not allows(of(role).subscribe, written_by(kind, "stt"))


@pytest.mark.parametrize("role", [role for role in EVERYONE if role != "admin"])
@pytest.mark.parametrize(
    "wildcard",
    [
        ">",
        "*.>",
        "vb.>",
        "vb.here.>",
        "vb.here.up.>",
        "vb.*.up.*.*.audio",
        "vb.here.dn.>",
        "vb.here.dn.other.>",
        "vb.here.job.>",
        "_INBOX.>",
        "_INBOX_UOTHER.>",
        "$JS.>",
        "$JS.EVENT.ADVISORY.>",
        "$SYS.>",
    ],
)
def test_nobody_may_listen_to_everybody(role: str, wildcard: str) -> None:
    """Neither to all sessions, nor to others' answers, nor to the server."""
    assert not covers(of(role).subscribe, wildcard)


@pytest.mark.parametrize("role", [role for role in EVERYONE if role != "admin"])
@pytest.mark.parametrize(
    "verb",
    [
        "STREAM.CREATE.AUDIO",
        "STREAM.UPDATE.AUDIO",
        "STREAM.DELETE.AUDIO",
        "STREAM.PURGE.AUDIO",
        "STREAM.MSG.GET.AUDIO",
        "STREAM.MSG.DELETE.AUDIO",
        "STREAM.SNAPSHOT.AUDIO",
        "CONSUMER.CREATE.AUDIO",
        "CONSUMER.CREATE.AUDIO.mine.vb.here.up.>",
        "CONSUMER.DURABLE.CREATE.AUDIO.mine",
        "CONSUMER.DELETE.JOBS.here-stt",
    ],
)
def test_nobody_but_the_admin_changes_streams_and_consumers(role: str, verb: str) -> None:
    """A consumer reads a whole stream, so making one is a right to read everything."""
    assert not allows(of(role).publish, f"$JS.API.{verb}")


@pytest.mark.parametrize("role", EVERYONE)
def test_a_role_takes_its_own_jobs_only(role: str) -> None:
    """And settles no other role's, in either form of the server's subjects."""
    taken = {
        other
        for other in ROLES
        if allows(
            of(role).publish, f"$JS.API.CONSUMER.MSG.NEXT.JOBS.{consumer_name('here', other)}"
        )
    }
    settled = {
        other
        for other in ROLES
        for head in ("$JS.ACK.JOBS", "$JS.ACK._.hash.JOBS")
        if allows(of(role).publish, f"{head}.{consumer_name('here', other)}.1.2.3.4.5")
    }

    everyone_s = {"admin": set(ROLES)}
    assert taken == everyone_s.get(role, {role} & set(ROLES))
    assert settled == (set(ROLES) if role == "supervisor" else {role} & set(ROLES))


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("stt", {"AUDIO", "SESSION"}),
        ("turn", {"SESSION", "KV_personas"}),
        ("llm", {"SESSION"}),
        ("tts", {"SESSION", "REPLY", "PHRASE", "VOICE"}),
        ("tool", {"SESSION"}),
        ("edge", set()),
        ("telegram", {"UPDATES"}),
        ("monitor", set()),
        ("supervisor", set()),
        ("system", set()),
    ],
)
def test_a_role_reads_whole_streams_only_where_it_must(role: str, wanted: set[str]) -> None:
    """Who is trusted with which stream stands in docs/security.md."""
    readable = {
        stream.name
        for stream in streams(Limits())
        if allows(of(role).publish, f"$JS.API.DIRECT.GET.{stream.name}")
    }

    assert readable == wanted


@pytest.mark.parametrize("role", EVERYONE)
def test_a_role_knows_its_own_cell_only(role: str) -> None:
    """The users of one cell are of no use in another."""
    permitted = of(role)

    named = [s for s in (*permitted.publish, *permitted.subscribe) if "vb." in s]
    assert [subject for subject in named if "vb.here." not in subject] == []


def test_a_role_that_is_none_is_refused() -> None:
    """A misspelt role is not a user without permissions."""
    with pytest.raises(ValueError, match="no role of the bus"):
        of("sst")
