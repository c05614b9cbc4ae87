"""Calls that pass a bound are ended, and the reason is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from websockets.exceptions import ConnectionClosed

from edge.telephony.settings import TelephonySettings
from schemas.session import SessionClosed
from schemas.turn import ConverseRequest
from tests.carriers import TwilioPhone
from tests.edge.telephony.desk import desk
from tests.telephones import calling, calling_by_tcp

SETTINGS = TelephonySettings(claim_s=120.0)


async def test_a_call_has_a_longest_time(nats_server: str) -> None:
    """Then it is hung up."""
    short = TelephonySettings(claim_s=1.0, max_call_s=0.5, needs="")
    async with desk(nats_server, short) as office, calling_by_tcp(office.tcp) as phone:
        closed = await office.until(SessionClosed)
        await phone.until_closed()

    assert closed.reason == "session_too_long"
    assert (0, b"") in phone.told, "hung up, and not just gone"


async def test_frames_that_no_call_needs_end_it(nats_server: str) -> None:
    """Thousands of small ones at once cost more than a call does."""
    async with (
        desk(nats_server, SETTINGS) as office,
        calling(TwilioPhone, f"{office.ws}/twilio") as phone,
    ):
        await office.until(ConverseRequest)
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await phone.socket.send('{"event":"other"}')
        closed = await office.until(SessionClosed)
        code = await phone.until_closed()

    assert closed.reason == "too_fast"
    assert code == 1008


async def test_an_exchange_that_does_not_read_loses_its_call(nats_server: str) -> None:
    """Two seconds of audio wait for it, and no more."""
    async with desk(nats_server, SETTINGS) as office:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", office.tcp))
            deaf.sendall(b"\x01\x00\x10" + bytes(16) + b"\x10\x01\x40" + bytes(320))
            await office.until(ConverseRequest)
            closed = await office.until(SessionClosed, 60)

    assert closed.reason == "slow_client"
