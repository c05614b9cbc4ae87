"""Who may bring calls."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from typing import Any

import pytest

from edge.telephony.gate import SPARE, Gate, Presented, is_signed, twilio_signature
from edge.telephony.settings import TelephonySettings
from voicebus.errors import AccessDenied, Busy, ConfigError, LimitReached

TOKEN = "12345"
SECRET = "open-sesame-open"
"""As short as it may be."""

ADDRESS = "wss://voice.example.com/twilio"
BASIC = "Basic " + base64.b64encode(f"asterisk:{SECRET}".encode()).decode()


def presented(protocol: str = "asterisk", **fields: Any) -> Presented:
    """A handshake."""
    return Presented(protocol=protocol, path=f"/{protocol}", **fields)


def code(gate: Gate, asked: Presented) -> str:
    """Why it is refused; empty when it is not."""
    try:
        gate.check(asked)
    except (AccessDenied, LimitReached) as err:
        return err.reason
    return ""


@pytest.mark.parametrize(
    "given",
    [
        {"secret": SECRET},
        {"query": {"secret": SECRET}},
        {"query": {"token": SECRET}},
        {"headers": {"authorization": f"Bearer {SECRET}"}},
        {"headers": {"authorization": BASIC}},
        {"headers": {"x-telnyx-streaming-auth-token": SECRET}},
    ],
)
def test_a_secret_may_be_wherever_an_exchange_can_put_it(given: dict[str, Any]) -> None:
    """In the path, the query, a password or a header."""
    gate = Gate(TelephonySettings(secret=SECRET))
    another = Gate(TelephonySettings(secret=SECRET[::-1]))

    assert code(gate, presented(**given)) == ""
    assert code(another, presented(**given)) == "key_unknown"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "key_missing"),
        ({"secret": SECRET[:-1]}, "key_unknown"),
        ({"secret": SECRET.replace("e", "é")}, "key_unknown"),
        ({"headers": {"authorization": "Basic !!"}}, "key_missing"),
        ({"secret": SECRET, "headers": {"origin": "https://evil.example"}}, "origin_forbidden"),
    ],
)
def test_without_it_nobody_comes_in(given: dict[str, Any], why: str) -> None:
    """And no page, which a browser would send with somebody's address."""
    assert code(Gate(TelephonySettings(secret=SECRET)), presented(**given)) == why


def test_the_signature_is_that_of_twilios_documentation() -> None:
    """The example of Twilio's page on security: parameters stand behind the address."""
    address = "https://mycompany.com/myapp.php?foo=1&bar=2"
    parameters = (
        "CallSidCA1234567890ABCDECaller+14158675309Digits1234From+14158675309To+18005551212"
    )

    assert twilio_signature(address + parameters, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("signed", [ADDRESS, ADDRESS + "/", ADDRESS.replace("wss", "https")])
def test_twilio_is_known_by_its_signature(signed: str) -> None:
    """For the address that it was given, however it writes it."""
    headers = {"host": "voice.example.com", "x-twilio-signature": twilio_signature(signed, TOKEN)}
    gate = Gate(TelephonySettings(twilio_auth_token=TOKEN))

    assert code(gate, presented("twilio", headers=headers)) == ""
    assert is_signed(presented("twilio", headers={**headers, "host": "x"}), TOKEN, ADDRESS[:23])


@pytest.mark.parametrize("signature", ["", "x", twilio_signature(ADDRESS, "another")])
def test_a_forged_signature_is_refused(signature: str) -> None:
    """Also where the secret of others is right."""
    headers = {"host": "voice.example.com", "x-twilio-signature": signature}
    gate = Gate(TelephonySettings(twilio_auth_token=TOKEN, secret=SECRET))

    assert code(gate, presented("twilio", secret=SECRET, headers=headers)) == "key_unknown"
    assert code(gate, presented("telnyx", secret=SECRET)) == ""


def test_with_a_token_alone_nobody_but_twilio_comes() -> None:
    """The other protocols have no proof."""
    gate = Gate(TelephonySettings(host="0.0.0.0", twilio_auth_token=TOKEN))

    assert code(gate, presented("telnyx")) == "key_missing"


@pytest.mark.parametrize(
    ("address", "may"),
    [
        *(("127.0.0.1", True), ("10.1.2.3", True), ("::ffff:10.1.2.3", True)),
        *(("10.2.0.1", False), ("::1", False), ("", False), ("nonsense", False)),
    ],
)
def test_audiosocket_comes_from_known_networks(address: str, may: bool) -> None:
    """It has no room for a secret."""
    gate = Gate(TelephonySettings(audiosocket_networks="127.0.0.0/8, 10.1.0.0/16"))

    assert gate.admits_address(address) is may


def test_connections_are_counted() -> None:
    """Those that have not said what they are, too: there may be many of these."""
    gate = Gate(TelephonySettings(max_calls=3))
    with ExitStack() as stack:
        for _ in range(3 + SPARE):
            stack.enter_context(gate.enter())
        with pytest.raises(Busy), gate.enter():
            pytest.fail("one more than there may be")

    with gate.enter():
        assert code(gate, presented()) == ""


def test_who_guesses_is_told_to_wait() -> None:
    """By address: a guess from another one is a first one there."""
    gate = Gate(TelephonySettings(secret=SECRET, address_refusals_per_min=3))
    guess, elsewhere = (
        presented(address=address, secret=SECRET[:-1]) for address in ("192.0.2.1", "192.0.2.2")
    )

    assert [code(gate, guess) for _ in range(3)] == 3 * ["key_unknown"]
    with pytest.raises(LimitReached) as late:
        gate.check(guess)
    assert 0 < late.value.retry_after_s <= 20
    assert code(gate, elsewhere) == "key_unknown"


def test_neighbours_who_guess_keep_no_call_out() -> None:
    """A carrier's customers share its addresses, and so do all behind a proxy without a name."""
    gate = Gate(TelephonySettings(secret=SECRET, address_refusals_per_min=3))
    guess = presented(address="192.0.2.1", secret=SECRET[:-1])
    right = presented(address="192.0.2.1", secret=SECRET)

    assert [code(gate, guess) for _ in range(9)][-1] == "too_many_connections"
    assert {code(gate, right) for _ in range(100)} == {""}
    assert code(gate, guess) == "too_many_connections"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "key_missing"),
        ({"headers": {"origin": "https://evil.example"}}, "origin_forbidden"),
        (
            {"secret": SECRET[:-1], "headers": {"origin": "https://evil.example"}},
            "origin_forbidden",
        ),
        ({"secret": SECRET}, ""),
    ],
)
def test_what_is_no_guess_does_not_count(given: dict[str, Any], why: str) -> None:
    """Pages behind the exchange's NAT, and who shows no secret, learn nothing of it."""
    gate = Gate(TelephonySettings(secret=SECRET, address_refusals_per_min=3))
    asked = presented(address="192.0.2.1", **given)
    guess = presented(address="192.0.2.1", secret=SECRET[:-1])

    assert {code(gate, asked) for _ in range(100)} == {why}
    assert [code(gate, guess) for _ in range(4)] == 3 * ["key_unknown"] + ["too_many_connections"]


def test_neighbours_do_not_keep_signed_calls_out() -> None:
    """Whoever has an account there may guess from Twilio's addresses."""
    gate = Gate(TelephonySettings(twilio_auth_token=TOKEN, address_refusals_per_min=2))
    forged = presented("twilio", address="192.0.2.1")
    headers = {"host": "voice.example.com", "x-twilio-signature": twilio_signature(ADDRESS, TOKEN)}

    assert [code(gate, forged) for _ in range(3)][1:] == ["key_unknown", "too_many_connections"]
    assert code(gate, presented("twilio", address="192.0.2.1", headers=headers)) == ""


def test_an_open_edge_has_to_be_wanted() -> None:
    """As the other edge: no secret, and others than this machine."""
    with pytest.raises(ConfigError, match="VOICEBUS_TELEPHONY_SECRET"):
        Gate(TelephonySettings(host="0.0.0.0"))
    Gate(TelephonySettings(host="0.0.0.0", anyone=True))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a.b"},
        {"secret": SECRET[:-1]},
        {"needs": "stt,nobody"},
        {"audiosocket_networks": "10.0.0.1/8"},
        {"proxies": "here"},
        {"public_url": "https://voice.example.com"},
        {"language": "english"},
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    """At the start, and not at the first call."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TelephonySettings(**wrong)


def test_a_caller_is_known_by_the_number() -> None:
    """However it is written; withheld numbers are nobody's."""
    chosen = TelephonySettings(conversations_secret="s")
    known = chosen.conversation_of("+49 (30) 12345")

    assert known is not None
    assert known == chosen.conversation_of("+493012345")
    assert known != chosen.conversation_of("+493012346")
    assert chosen.conversation_of("anonymous") is None
    assert TelephonySettings().conversation_of("+493012345") is None
