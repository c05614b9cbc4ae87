"""The one table: message, subject, stream."""

from __future__ import annotations

import pytest

from schemas.codec import EVENT_TYPES
from schemas.event import Event
from schemas.failure import Failure
from schemas.tts import SpeakRequest
from subjects.catalog import CATALOG, Place, place_of, session_log, subject_of
from subjects.inboxes import edge_inbox
from subjects.streams import Limits, Record, Stream, job_filter, stream_of, streams
from subjects.tokens import checked, is_token, new_token

PLACE = Place("cell", "edge-1", "session-1")


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject is one of those that a NATS pattern names."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(given) > position
        if position >= len(given) or token not in ("*", given[position]):
            return False
    return len(wanted) == len(given)


def recorders(subject: str, among: tuple[Stream, ...]) -> list[str]:
    """The streams that record a subject."""
    return [
        stream.name
        for stream in among
        if any(matches(pattern, subject) for pattern in stream.subjects)
    ]


def test_the_table_has_every_message_once() -> None:
    """No message travels without a row, and no row is without a message."""
    assert set(CATALOG) == set(EVENT_TYPES)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_message_is_recorded_by_the_stream_that_its_row_names(kind: type[Event]) -> None:
    """Exactly that one: two streams on a subject would store twice, none would lose it."""
    subject = subject_of(kind, PLACE, "stt", "session")

    wanted = [CATALOG[kind].stream] if CATALOG[kind].stream else []
    assert recorders(subject, streams(Limits())) == wanted


@pytest.mark.parametrize("kind", [kind for kind, route in CATALOG.items() if route.stream])
def test_less_recording_leaves_what_work_needs(kind: type[Event]) -> None:
    """Without the record of what was said, jobs, claims and orders are stored all the same."""
    subject = subject_of(kind, PLACE, "stt", "session")

    stored = recorders(subject, streams(Limits(record=Record.CLAIMS)))

    wanted = stream_of(kind, Record.CLAIMS)
    assert stored == ([wanted] if wanted else [])


def test_every_stream_has_a_bound() -> None:
    """A stream without one fills the disk."""
    for stream in streams(Limits()):
        assert stream.max_bytes > 0
        assert stream.max_age_s > 0


@pytest.mark.parametrize(
    "kind", [kind for kind, route in CATALOG.items() if "{session}" in route.pattern]
)
def test_a_session_is_found_again_in_each_of_its_subjects(kind: type[Event]) -> None:
    """Reading a subject gives the place that made it."""
    subject = subject_of(kind, PLACE, "stt", "1-0")

    assert place_of(subject) == PLACE


@pytest.mark.parametrize(
    "subject",
    ["", "vb", "vb.c", "vb.c.sideways.e.s.audio", "other.c.up.e.s.audio", "vb.c.job.stt.e"],
)
def test_a_subject_of_another_form_is_refused(subject: str) -> None:
    """What is no session's subject has no place."""
    with pytest.raises(ValueError, match="not a session's subject"):
        place_of(subject)


def test_a_role_is_given_its_own_jobs_only() -> None:
    """The consumer's filter takes one role of one cell."""
    subject = subject_of(SpeakRequest, PLACE, job="3-1")

    assert matches(job_filter("cell", "tts"), subject)
    assert not matches(job_filter("cell", "llm"), subject)
    assert not matches(job_filter("other", "tts"), subject)


def test_an_edge_hears_its_own_sessions_only() -> None:
    """The wildcard of an edge names its cell and its name."""
    subject = subject_of(Failure, PLACE)

    assert matches(edge_inbox("cell", "edge-1"), subject)
    assert not matches(edge_inbox("cell", "edge-2"), subject)


@pytest.mark.parametrize(
    "kind",
    [k for k, r in CATALOG.items() if r.stream in ("AUDIO", "REPLY", "SESSION")],
)
def test_the_log_of_a_session_has_all_that_was_recorded_of_it(kind: type[Event]) -> None:
    """Two wildcards hold every recorded message of a session."""
    subject = subject_of(kind, PLACE, "stt", "session")

    assert [matches(wildcard, subject) for wildcard in session_log("cell", "session-1")].count(
        True
    ) == 1


@pytest.mark.parametrize("text", ["", "a.b", "a b", "*", ">", "a" * 65, "é", "a\n"])
def test_what_would_break_a_subject_is_no_token(text: str) -> None:
    """Dots, wildcards, white space and endless names do not get into a subject."""
    assert not is_token(text)
    with pytest.raises(ValueError, match="not a subject token"):
        checked(text)


def test_new_tokens_differ() -> None:
    """Nobody guesses a neighbour's session."""
    tokens = {new_token("s") for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(is_token(token) for token in tokens)
