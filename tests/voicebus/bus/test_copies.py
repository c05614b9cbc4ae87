"""What is a copy, and what is new. Pure."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.llm import ClauseReady, GenerateRequest, TokenDelta
from schemas.stt import TranscriptPartial
from schemas.tts import ReplyChunk
from subjects.catalog import subject_of
from tests.bus import place_here
from voicebus.bus.copies import Heard, MessageIds

PLACE = place_here()
SUBJECT = subject_of(TokenDelta, PLACE)


def test_ids_are_all_different_and_nobody_can_tell_the_next_one() -> None:
    """Whoever knows one id of a publisher knows no other: the last part is drawn."""
    one, other = MessageIds(), MessageIds()
    ids = [one.next() for _ in range(2000)] + [other.next() for _ in range(2000)]

    assert len(set(ids)) == 4000
    assert len({message_id.rpartition(".")[2] for message_id in ids}) > 3990
    assert len({message_id.partition(".")[0] for message_id in ids}) == 2


def test_what_is_sent_again_in_order_is_heard_once() -> None:
    """A publisher repeats what was on its way, and goes on behind it."""
    ids, heard = MessageIds(), Heard()
    a, b, c, d = (ids.next() for _ in range(4))

    assert [heard.is_copy(each, SUBJECT) for each in (a, b, c, b, c, d)] == [
        *(False, False, False),
        *(True, True),
        False,
    ]


def test_publishers_do_not_count_for_each_other() -> None:
    """Each has numbers of its own."""
    one, other, heard = MessageIds(), MessageIds(), Heard()
    for _ in range(5):
        heard.is_copy(one.next(), SUBJECT)

    assert not heard.is_copy(other.next(), SUBJECT)


@pytest.mark.parametrize("kind", [ClauseReady, ReplyChunk, GenerateRequest])
def test_a_forged_name_spoils_the_kind_of_the_forger_only(kind: type[Event]) -> None:
    """Who may publish partials cannot have another worker's words taken for copies."""
    ids, heard = MessageIds(), Heard()
    name = ids.next().partition(".")[0]
    heard.is_copy(f"{name}.{'9' * 18}.x", subject_of(TranscriptPartial, PLACE))

    assert not heard.is_copy(ids.next(), subject_of(kind, PLACE, "llm", "1-0"))
    assert heard.is_copy(ids.next(), subject_of(TranscriptPartial, PLACE))


@pytest.mark.parametrize(
    "message_id", ["", "a", "a.b.c", "a.-1.c", f"a.{'9' * 5000}.c", "..", "a.²"]
)
def test_what_is_no_id_of_ours_is_no_copy(message_id: str) -> None:
    """Others may publish, too; nothing that they write into a head does harm."""
    heard = Heard()

    assert not heard.is_copy(message_id, SUBJECT)
    assert not heard.is_copy(message_id, SUBJECT)


def test_the_memory_of_publishers_is_bounded() -> None:
    """Processes come and go for weeks."""
    heard = Heard()
    for _ in range(3000):
        heard.is_copy(MessageIds().next(), SUBJECT)

    assert len(heard._span) <= 1024


def test_what_was_sent_before_we_listened_is_heard_when_it_is_stored() -> None:
    """Once; what we have heard ourselves is not heard again."""
    ids, heard = MessageIds(), Heard()
    a, b, c, d = (ids.next() for _ in range(4))
    assert heard.is_late(a, SUBJECT)
    heard.is_copy(c, SUBJECT)
    heard.is_copy(d, SUBJECT)

    assert [heard.is_late(each, SUBJECT) for each in (a, b, b, c, d)] == [
        *(False, True),
        *(False, False, False),
    ]


def test_a_copy_without_an_id_of_ours_is_not_late() -> None:
    """A caller's audio has none: its offsets tell, and its listeners look into the log."""
    assert not Heard().is_late("", SUBJECT)


def test_the_memory_of_late_messages_is_bounded() -> None:
    """Processes come and go for weeks."""
    ids, heard = MessageIds(), Heard()
    for _ in range(3000):
        heard.is_late(ids.next(), SUBJECT)

    assert len(heard._late) <= 1024
