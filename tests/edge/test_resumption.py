"""Frames are counted and kept on both sides: what was lost with a socket is known by one number."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.outbox import Parcel
from edge.resumption import MARKS, NOBODYS, Kept, Taken, new_ticket
from voicebus.errors import ProtocolError
from voicebus.sessions.publications import Publications


def test_a_ticket_admits_its_token_and_no_other() -> None:
    """A token is long, never the same, and nowhere in its ticket."""
    token, ticket = new_ticket()
    other, _ = new_ticket()

    assert len(token) >= 43
    assert token != other
    assert ticket.admits(token)
    assert not any(ticket.admits(wrong) for wrong in (other, token[:-1], token + "A", "", "\xe9"))
    assert not NOBODYS.admits(token)
    assert token not in repr(ticket)


def test_text_carries_its_number_and_audio_has_the_next_one() -> None:
    """A client that counts knows which frame it has, and need not look into audio."""
    kept = Kept()
    frames = [Parcel('{"type":"ready"}'), Parcel(b"\1\0", 1, 0.5), Parcel('{"type":"pong"}')]
    sent = [kept.number(frame) for frame in frames]

    assert sent == ['{"seq":1,"type":"ready"}', b"\1\0", '{"seq":3,"type":"pong"}']
    assert kept.sent == 3


@given(
    st.lists(st.one_of(st.binary(min_size=1, max_size=9), st.just('{"type":"x"}')), max_size=30),
    st.data(),
)
def test_what_was_not_received_comes_again_as_it_was(
    frames: list[str | bytes], data: st.DataObject
) -> None:
    """Wherever a socket broke, and whatever was confirmed before, each frame arrives once."""
    kept, arrived = Kept(), []
    sent = [kept.number(Parcel(frame, 1, 1.0)) for frame in frames]
    received = data.draw(st.integers(0, len(sent)))
    kept.confirm(data.draw(st.integers(0, received)))
    arrived = sent[:received] + [parcel.data for parcel in kept.after(received)]

    assert arrived == sent
    assert all(parcel.duration_ms == 1.0 for parcel in kept.after(received))


def test_what_is_kept_is_bounded() -> None:
    """The oldest goes; a client that would need it cannot come back, and is told so."""
    kept = Kept(limit_bytes=10)
    for _ in range(5):
        kept.number(Parcel(b"1234", 1))

    assert [parcel.data for parcel in kept.after(3)] == [b"1234"] * 2
    with pytest.raises(ProtocolError) as expired:
        kept.after(2)
    with pytest.raises(ProtocolError) as absurd:
        kept.after(6)
    assert (expired.value.reason, absurd.value.reason) == ("session_expired", "bad_field")


def test_a_confirmation_of_more_than_was_sent_harms_nothing() -> None:
    """What a client claims frees no more than there is, and the numbers go on."""
    kept = Kept()
    kept.number(Parcel("{}"))
    kept.confirm(2**53)
    again = kept.number(Parcel('{"type":"x"}'))

    assert json.loads(str(again))["seq"] == 2
    assert len(kept.after(1)) == 1


@given(st.permutations(range(1, 9)))
def test_publications_are_stored_once_all_before_them_are(order: list[int]) -> None:
    """Acknowledgements may come in any order; a gap is never passed over."""
    publications, seen = Publications(), set()
    assert [publications.issue() for _ in order] == sorted(order)
    for number in order:
        publications.settle(number)
        seen.add(number)
        reached = publications.stored
        assert set(range(1, reached + 1)) <= seen
        assert reached + 1 not in seen


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8), min_size=1))
def test_what_was_refused_is_never_called_stored(order: list[int], refused: set[int]) -> None:
    """Neither is anything behind it, whichever is known first."""
    publications = Publications()
    for _ in order:
        publications.issue()
    for number in order:
        (publications.refuse if number in refused else publications.settle)(number)

    assert publications.stored == min(refused) - 1


def test_frames_are_stored_with_what_was_made_of_them() -> None:
    """A frame that nothing was published for is stored with what is before it."""
    taken = Taken()
    for published in (0, 2, 2, 5):
        taken.frames += 1
        taken.mark(published)
    reached = []
    for stored in range(6):
        taken.settle(stored)
        reached.append(taken.stored)

    assert reached == [1, 1, 3, 3, 3, 4]


def test_frames_that_wait_to_be_decoded_are_not_stored() -> None:
    """A file's frames count as stored together, when all that was made of it is."""
    taken = Taken()
    taken.frames = 3  # nobody has marked them
    taken.settle(10)
    assert taken.stored == 0
    taken.frames += 1
    taken.mark(12)
    taken.settle(11)
    assert taken.stored == 0
    taken.settle(12)

    assert taken.stored == 4


def test_what_is_remembered_of_frames_is_bounded() -> None:
    """When the bus stores nothing for long, the last frames are told of together, and not early."""
    taken = Taken()
    for number in range(1, 3 * MARKS):
        taken.frames += 1
        taken.mark(number)
    taken.settle(MARKS - 1)
    before = taken.stored
    taken.settle(3 * MARKS - 2)
    between = taken.stored
    taken.settle(3 * MARKS - 1)

    assert (before, between, taken.stored) == (MARKS - 1, MARKS - 1, 3 * MARKS - 1)
