"""What an acknowledgement subject says."""

from __future__ import annotations

import pytest

from voicebus.bus.delivery import parse


def test_the_short_form_is_read() -> None:
    """Nine tokens: the form without a domain."""
    delivery = parse("jobs.x", b"payload", "$JS.ACK.JOBS.local-stt.2.17.9.1700000000000000001.3")

    assert (delivery.subject, delivery.payload) == ("jobs.x", b"payload")
    assert (delivery.attempt, delivery.sequence) == (2, 17)
    assert delivery.stored_ns == 1_700_000_000_000_000_001


@pytest.mark.parametrize("tail", ["", ".random"])
def test_the_form_with_domain_and_account_is_read(tail: str) -> None:
    """Eleven tokens, or twelve with a random one at the end."""
    ack = f"$JS.ACK.hub.ACCOUNT.JOBS.local-stt.2.17.9.1700000000000000001.3{tail}"

    delivery = parse("jobs.x", b"", ack)

    assert (delivery.attempt, delivery.sequence) == (2, 17)
    assert delivery.ack == ack


@pytest.mark.parametrize(
    "ack",
    [
        "",
        "_INBOX.x.1",
        "$JS.ACK.JOBS.c.1.2.3",
        "$JS.ACK.JOBS.c.one.2.3.4.5",
        "$JS.NAK.J.c.1.2.3.4.5",
    ],
)
def test_another_subject_is_refused(ack: str) -> None:
    """A reply subject that is no acknowledgement is not taken for one."""
    with pytest.raises(ValueError, match=r"acknowledgement|invalid literal"):
        parse("jobs.x", b"", ack)
