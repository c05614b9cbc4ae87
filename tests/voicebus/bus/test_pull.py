"""The book-keeping of pull requests."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebus.bus.pull import BEAT_S, EXPIRES_S, SILENT_S, PullRequest, StandingPull


class Sent:
    """Takes requests as a server would: it may serve each for as many jobs as it asks for."""

    def __init__(self) -> None:
        self.requests: dict[int, int] = {}

    def __call__(self, number: int, body: bytes) -> None:
        """Take one."""
        request = msgspec.json.decode(body, type=PullRequest)
        assert request.expires == int(EXPIRES_S * 1e9)
        assert request.idle_heartbeat <= request.expires / 2  # else the server refuses it
        self.requests[number] = request.batch


def test_only_what_is_free_is_asked_for() -> None:
    """A second look at the same slots asks for nothing more."""
    sent = Sent()
    pull = StandingPull(sent)

    pull.ask(3)
    pull.ask(3)
    pull.ask(2)

    assert list(sent.requests.values()) == [3]
    assert pull.asked == 3


def test_a_freed_slot_tops_up() -> None:
    """What became free since is asked for beside the open request."""
    sent = Sent()
    pull = StandingPull(sent)
    pull.ask(2)
    pull.delivered()
    pull.ask(2)

    assert list(sent.requests.values()) == [2, 1]
    assert pull.asked == 2


def test_a_closed_request_is_asked_for_anew() -> None:
    """After the server ended a request, its jobs no longer count as asked for."""
    sent = Sent()
    pull = StandingPull(sent)
    pull.ask(2)
    pull.closed(1)
    pull.closed(99)
    pull.ask(2)

    assert list(sent.requests) == [1, 2]


def test_a_new_connection_forgets_all() -> None:
    """The server forgot, so we do."""
    pull = StandingPull(Sent())
    pull.ask(2)
    pull.forget()

    assert pull.asked == 0


def test_a_request_of_which_nothing_is_heard_is_asked_anew() -> None:
    """The server that knew of it may be gone; a slot must not wait for what never comes."""
    pull = StandingPull(Sent())
    pull.ask(2)

    pull.expire(time.monotonic() + SILENT_S - 1)
    assert pull.asked == 2
    pull.expire(time.monotonic() + SILENT_S + 1)
    assert pull.asked == 0


def test_a_request_that_the_server_remembers_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beats say so, however long no job comes; one of another request says nothing."""
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    pull = StandingPull(Sent())
    pull.ask(1)
    pull.ask(3)
    for _ in range(10):
        now_s += BEAT_S
        pull.beat(1)
        pull.beat(99)
        pull.expire(now_s)

    assert pull.asked == 1


def test_a_delivery_that_nobody_asked_for_changes_nothing() -> None:
    """A job that comes after its request was given up does not make the count negative."""
    pull = StandingPull(Sent())

    pull.delivered()

    assert pull.asked == 0


@given(st.lists(st.sampled_from(["job", "done", "expire"]), max_size=60), st.integers(1, 8))
def test_never_more_is_asked_for_than_is_free(steps: list[str], slots: int) -> None:
    """Whatever the order of things, held and asked-for jobs never exceed the slots."""
    sent = Sent()
    pull = StandingPull(sent)
    held = 0
    pull.ask(slots)
    for step in steps:
        if step == "job" and pull.asked:
            pull.delivered()
            held += 1
        elif step == "done" and held:
            held -= 1
        elif step == "expire" and sent.requests:
            pull.closed(max(sent.requests))
        pull.ask(slots - held)

        assert held + pull.asked == slots
