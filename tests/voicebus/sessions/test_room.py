"""Where a place is free, as far as an edge can know."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.claim import Claimed, Presence
from voicebus.sessions.room import GONE_S, HELD_BY_SESSIONS, PROMISED_S, RETRY_S, Room


def sign(
    busy: int, slots: int = 2, worker: str = "w", role: str = "stt", state: str = "ready"
) -> Presence:
    """A worker's sign of life."""
    return Presence(role=role, worker=worker, slots=slots, busy=busy, state=state)


def claim(worker: str = "w", role: str = "stt") -> Claimed:
    """A worker takes a session."""
    return Claimed(role=role, worker=worker)


def test_a_promise_a_claim_and_a_sign_of_life_count_a_session_once() -> None:
    """Whatever is known of it, a session takes one place."""
    room = Room()
    room.heard(sign(0), 0.0)
    left = [room.free("stt", 0.0)]
    room.promise("a", 0.1)
    left.append(room.free("stt", 0.1))
    room.claimed("a", claim())
    left.append(room.free("stt", 0.2))
    room.heard(sign(1), 2.0)
    left.append(room.free("stt", 2.0))
    room.ended("a")
    left.append(room.free("stt", 2.1))
    room.heard(sign(0), 4.0)
    left.append(room.free("stt", 4.0))

    assert left == [2, 1, 1, 1, 2, 2]


def test_claims_since_the_last_sign_of_life_are_counted() -> None:
    """A crowd that comes within two seconds is not let in twice over."""
    room = Room()
    room.heard(sign(0, slots=3), 0.0)
    for session in "abc":
        assert room.free("stt", 0.1) > 0
        room.promise(session, 0.1)

    assert room.free("stt", 0.2) == 0


def test_a_session_that_ends_unclaimed_gives_its_place_back() -> None:
    """And one that was claimed since, too."""
    room = Room()
    room.heard(sign(0), 0.0)
    room.promise("a", 0.1)
    room.promise("b", 0.1)
    room.claimed("b", claim())
    room.ended("a")
    room.ended("b")
    room.ended("unknown")

    assert room.free("stt", 0.2) == 2


def test_a_place_is_not_kept_for_ever_for_who_does_not_speak() -> None:
    """Those who only type do not keep those away who speak."""
    room = Room()
    room.heard(sign(0), 0.0)
    room.promise("a", 0.0)

    assert room.free("stt", PROMISED_S - 0.1) == 1
    assert room.free("stt", PROMISED_S) == 2
    room.claimed("a", claim())
    assert room.free("stt", PROMISED_S) == 1


def test_a_takeover_moves_the_place() -> None:
    """The next worker holds it; what the first one counts is its own."""
    room = Room()
    room.heard(sign(0, slots=1), 0.0)
    room.promise("a", 0.1)
    room.claimed("a", claim())
    room.heard(sign(1, slots=1), 2.0)
    room.heard(sign(0, slots=1, worker="v"), 2.0)
    assert room.free("stt", 2.0) == 1
    room.claimed("a", claim("v"))
    room.heard(sign(0, slots=1), 4.0)

    assert room.free("stt", 4.0) == 1


def test_who_drains_or_is_silent_has_no_place() -> None:
    """A worker that comes back is counted again."""
    room = Room()
    room.heard(sign(0), 0.0)
    room.heard(sign(0, worker="v", state="draining"), 0.0)
    assert room.free("stt", 0.0) == 2
    room.expire(GONE_S)
    assert room.is_there("stt")
    room.expire(GONE_S + 0.1)
    assert not room.is_there("stt")
    assert room.free("stt", GONE_S + 0.1) == 0
    room.heard(sign(0), 30.0)
    assert room.free("stt", 30.0) == 2


def test_a_silence_that_is_the_bus_own_makes_nobody_gone() -> None:
    """While nothing can be heard, nobody is counted out."""
    room = Room()
    room.heard(sign(0), 0.0)
    room.reset_clock(100.0)
    room.expire(100.0 + GONE_S)

    assert room.is_there("stt")


def test_a_role_says_nothing_of_another() -> None:
    """Many voices do not make ears."""
    room = Room()
    room.heard(sign(0, slots=16, role="tts"), 0.0)

    assert room.is_there("tts")
    assert not room.is_there("stt")
    assert room.free("stt", 0.0) == 0


@given(st.lists(st.sampled_from(["come", "claim", "go", "sign"]), max_size=80))
def test_there_is_room_exactly_when_a_worker_has_a_free_slot(steps: list[str]) -> None:
    """One edge, one worker of each role: what is known is what is so, at every moment."""
    room, slots = Room(), 3
    waiting: list[str] = []
    held: list[str] = []
    now_s = 0.0

    def say() -> None:
        for role in HELD_BY_SESSIONS:
            room.heard(sign(len(held), slots=slots, worker=role, role=role), now_s)

    say()
    for number, step in enumerate(steps):
        if step == "come" and len(waiting) + len(held) < slots:
            assert room.free("stt", now_s) > 0
            room.promise(str(number), now_s)
            waiting.append(str(number))
        elif step == "claim" and waiting:
            held.append(waiting.pop(0))
            for role in HELD_BY_SESSIONS:
                room.claimed(held[-1], claim(worker=role, role=role))
        elif step == "go" and held:
            room.ended(held.pop(0))
        elif step == "sign":
            say()
        for role in HELD_BY_SESSIONS:
            assert room.free(role, now_s) == slots - len(waiting) - len(held)


def test_who_holds_nothing_for_long_is_promised_nothing() -> None:
    """Work that lasts a turn takes no session's place."""
    room = Room()
    room.heard(sign(0), 0.0)

    room.promise("a", 0.1, ())

    assert room.free("stt", 0.1) == 2


def test_a_promise_is_one_until_a_worker_has_taken_it_or_it_was_kept_for_long() -> None:
    """Of the role that is asked for; a session that needs no ears has been promised none."""
    room = Room()
    room.promise("a", 0.0)
    room.promise("b", 1.0)
    room.promise("c", 1.0, ("turn",))
    room.claimed("a", Claimed(role="turn", worker="w"))

    assert room.promised("stt", 1.0) == ("a", "b")
    assert room.promised("turn", 1.0) == ("b", "c")
    assert room.promised("stt", PROMISED_S) == ("b",)
    room.claimed("b", Claimed(role="stt", worker="w"))
    assert room.promised("stt", 1.0) == ("a",)


def test_who_was_sent_away_counts_until_it_was_told_to_be_back() -> None:
    """Afterwards it is a caller like any other, or gave it up."""
    room = Room()
    for at_s in (1.0, 2.0, 3.0):
        room.refuse(at_s)

    assert [room.refused(at_s) for at_s in (3.0, 2.5 + RETRY_S, 3.5 + RETRY_S)] == [3, 1, 0]
