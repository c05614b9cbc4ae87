"""Who comes in by a socket, and who does not: proofs, guesses, foreign networks, crowds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge.telephony import gate
from edge.telephony.office import KIND
from edge.telephony.settings import TelephonySettings
from schemas.session import SessionClosed
from schemas.turn import ConverseRequest
from tests.carriers import TelnyxPhone, TwilioPhone
from tests.edge.telephony.desk import Desk, desk
from tests.telephones import Sounding, calling, calling_by_tcp
from voicebus import channel_metrics, metrics

TOKEN = "12345"
PUBLIC = "wss://voice.example.com"
SECRET = "open-sesame-and-quickly"
CROWD = 300
REFUSING = ("twilio", "audiosocket")


def signed(address: str, token: str) -> dict[str, str]:
    """The header by which Twilio proves itself."""
    digest = hmac.digest(token.encode(), address.encode(), hashlib.sha1)
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


async def answered(url: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """What a handshake is answered: the status, and the headers."""
    try:
        async with connect(url, proxy=None, additional_headers=headers):
            return 101, {}
    except InvalidStatus as refused:
        return refused.response.status_code, dict(refused.response.headers)


async def called(office: Desk, make: Sounding, url: str, headers: dict[str, str]) -> SessionClosed:
    """Call, and hang up once a worker is asked for; return how the session ended."""
    async with calling(make, url, additional_headers=headers) as phone:
        await office.until(ConverseRequest)
        await phone.hang_up()
        return await office.until(SessionClosed)


async def expect_nothing_begun(office: Desk) -> None:
    """No worker was asked for anything."""
    with pytest.raises(TimeoutError):
        await office.until(ConverseRequest, 0.2)


async def test_a_call_that_twilio_signed_is_taken(nats_server: str) -> None:
    """The signature is that of the public address, which a proxy in front has changed."""
    settings = TelephonySettings(claim_s=120.0, twilio_auth_token=TOKEN, public_url=PUBLIC)
    headers = signed(f"{PUBLIC}/twilio", TOKEN)
    async with desk(nats_server, settings) as office:
        url = f"{office.ws}/twilio"
        closed = await called(office, TwilioPhone, url, headers)

    assert closed.reason == "client"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": "x"},
        signed(f"{PUBLIC}/twilio", "another"),
        signed("wss://elsewhere.example.com/twilio", TOKEN),
        signed(f"{PUBLIC}/twilio?persona=admin", TOKEN),
    ],
)
async def test_a_call_that_twilio_did_not_sign_is_refused(
    nats_server: str, headers: dict[str, str]
) -> None:
    """Before the socket opens; a signature of another address or account is none."""
    settings = TelephonySettings(twilio_auth_token=TOKEN, public_url=PUBLIC)
    async with desk(nats_server, settings) as office:
        status, _ = await answered(f"{office.ws}/twilio", headers)
        await expect_nothing_begun(office)

    assert status == 401


async def test_audiosocket_from_another_network_is_hung_up(nats_server: str) -> None:
    """At once, though it does all as it should: there is no secret that could speak for it."""
    settings = TelephonySettings(audiosocket_networks="10.0.0.0/8")
    async with desk(nats_server, settings) as office:
        async with calling_by_tcp(office.tcp) as phone:
            await phone.until_closed(2)
        await expect_nothing_begun(office)

    assert phone.told == [(0, b"")]
    assert not phone.heard


async def test_who_finds_all_lines_taken_is_told_so_and_counted_once(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At either door, before anything else is done; also in what CallersRefused looks at."""
    monkeypatch.setattr(gate, "SPARE", 0)
    counts = [channel_metrics.TELEPHONY_REFUSED.labels(one, "busy") for one in REFUSING]
    counts.append(metrics.CLIENT_ERRORS.labels(KIND, "busy"))
    before = [count._value.get() for count in counts]
    async with desk(nats_server, TelephonySettings(max_calls=0)) as office:
        status, _ = await answered(f"{office.ws}/twilio", {})
        async with calling_by_tcp(office.tcp) as phone:
            await phone.until_closed(2)

    assert status == 503
    assert phone.told == [(0, b"")]
    changes = [count._value.get() - was for count, was in zip(counts, before, strict=True)]
    assert changes == [1, 1, 2]


async def test_guesses_come_to_an_end(nats_server: str) -> None:
    """With 429 and the time to wait; who has the secret is let in, from the same address, too."""
    settings = TelephonySettings(
        secret=SECRET, proxies="127.0.0.1", address_refusals_per_min=5, claim_s=120.0
    )
    here, there = ({"X-Forwarded-For": address} for address in ("192.0.2.1", "192.0.2.2"))
    async with desk(nats_server, settings) as office:
        guesses = [
            (await answered(f"{office.ws}/telnyx/guess-{number}", here))[0] for number in range(8)
        ]
        late, told = await answered(f"{office.ws}/telnyx/another-guess", here)
        for place in (here, there):
            right = f"{office.ws}/telnyx/{SECRET}"
            assert (await called(office, TelnyxPhone, right, place)).reason == "client"

    assert guesses == 5 * [401] + 3 * [429]
    assert late == 429
    assert 1 <= int(told["retry-after"]) <= 12


async def test_the_many_calls_of_one_carrier_are_not_limited(nats_server: str) -> None:
    """Dozens in a second, from one address: only what is refused counts."""
    settings = TelephonySettings(
        secret=SECRET, proxies="127.0.0.1", address_refusals_per_min=1, claim_s=120.0
    )
    headers = {"X-Forwarded-For": "192.0.2.1"}
    async with desk(nats_server, settings) as office:
        url = f"{office.ws}/telnyx/{SECRET}"
        statuses = [(await answered(url, headers))[0] for _ in range(40)]

    assert set(statuses) == {101}


async def test_hundreds_of_idle_connections_keep_no_call_out(nats_server: str) -> None:
    """At both doors, before a handshake and behind it; they end, and calls are taken meanwhile."""
    settings = TelephonySettings(claim_s=120.0, handshake_s=8.0, max_calls=4)
    async with desk(nats_server, settings) as office, AsyncExitStack() as stack:
        port = int(office.ws.rpartition(":")[2])
        silent = [
            await asyncio.open_connection("127.0.0.1", one)
            for one in (office.tcp, port)
            for _ in range(CROWD)
        ]
        opened = [
            await stack.enter_async_context(
                connect(f"{office.ws}/twilio", proxy=None, compression=None, close_timeout=1)
            )
            for _ in range(CROWD // 3)
        ]
        async with calling(TelnyxPhone, f"{office.ws}/telnyx") as phone:
            await office.until(ConverseRequest)
            await phone.hang_up()
            await office.until(SessionClosed)
        async with calling_by_tcp(office.tcp) as other:
            await office.until(ConverseRequest)
            still_idle = sum(not reader.at_eof() for reader, _ in silent)
            await other.hang_up()
        async with asyncio.timeout(15):
            ends = await asyncio.gather(*(reader.read() for reader, _ in silent))
            await asyncio.gather(*(socket.wait_closed() for socket in opened))
        for _, writer in silent:
            writer.transport.abort()

    assert still_idle == 2 * CROWD
    assert set(ends[:CROWD]) == {b"\x00\x00\x00"}
    assert all(end.startswith(b"HTTP/1.1 408 ") for end in ends[CROWD:])
    assert {socket.close_code for socket in opened} == {1008}
