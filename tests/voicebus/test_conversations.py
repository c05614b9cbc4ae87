"""What edges and bridges ask for: ids that nobody tells, and codes that people can read."""

from __future__ import annotations

import pytest

from voicebus.conversations import digest_of, join, own, owner, redeem, start
from voicebus.errors import ConversationUnknown, LinkRefused

ADA, BOB = owner("key", "ada"), owner("key", "bob")


def test_each_conversation_that_is_begun_has_an_id_of_its_own() -> None:
    """It is one that can be joined."""
    begun = [start(ADA) for _ in range(100)]

    assert len({one.conversation for one in begun}) == 100
    assert join(begun[0].conversation, ADA).conversation == begun[0].conversation
    assert not join(begun[0].conversation, ADA).begins


def test_a_chat_has_one_conversation_without_anybody_remembering_it() -> None:
    """The same secret and owner give the same id; without the secret nobody tells it."""
    assert own("secret", ADA) == own("secret", ADA)
    assert own("secret", ADA).conversation != own("secret", BOB).conversation
    assert own("secret", ADA).conversation != own("other", ADA).conversation
    assert join(own("secret", ADA).conversation, ADA).owner == ADA


def test_the_same_name_on_another_channel_is_somebody_else() -> None:
    """A telephone number is no key."""
    assert owner("phone", "1") != owner("telegram", "1")


@pytest.mark.parametrize("text", ["", "*", "c1", "c" + 32 * "g", "c" + 32 * "0" + "\n"])
def test_what_is_no_id_is_not_asked_for(text: str) -> None:
    """It would only cost a worker time."""
    with pytest.raises(ConversationUnknown):
        join(text, ADA)


@pytest.mark.parametrize("text", ["K7QF3MXZ", "k7qf-3mxz", " K7QF 3MXZ ", "k7qf–3mxz"])
def test_a_code_is_read_as_people_write_it(text: str) -> None:
    """Capitals, dashes and spaces do not matter."""
    assert redeem(text, BOB).code == "K7QF3MXZ"
    assert digest_of(text) == digest_of("K7QF3MXZ")


@pytest.mark.parametrize("text", ["", "K7QF3MX", "K7QF3MXZZ", "K7QF-0MXZ", "K7QF3MX*"])
def test_what_is_no_code_is_refused_at_once(text: str) -> None:
    """With the words for a code that is not good."""
    with pytest.raises(LinkRefused):
        redeem(text, BOB)
