"""Who holds a line and says nothing: only what a caller can be heard by keeps it open."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import Awaitable, Callable

import pytest
from websockets.exceptions import ConnectionClosed

from edge.telephony.settings import TelephonySettings
from schemas.session import SessionClosed
from schemas.turn import ConverseRequest
from tests.asterisk_phones import AsteriskPhone
from tests.carriers import TwilioPhone, VonagePhone
from tests.edge.telephony.desk import desk
from tests.telephones import AudioSocketPhone, SocketPhone, Telephone, calling, calling_by_tcp

SETTINGS = TelephonySettings(claim_s=120.0, handshake_s=1.0, idle_s=1.0)
PATIENCE_S = 2.5
"""How long a line that is to be given up may be held: what is set, and the looks between."""

DRIP_S = 0.1
KINDS = {"twilio": TwilioPhone, "asterisk": AsteriskPhone, "vonage": VonagePhone}
MEANINGLESS = {
    "twilio": ('{"event":"other"}', '{"event":"media","media":{"track":"inbound","payload":""}}'),
    "asterisk": ("STATUS", b""),
    "vonage": ('{"event":"other"}', b""),
}
CRUMBS = {
    "twilio": '{"event":"media","media":{"track":"inbound","payload":"/w=="}}',
    "asterisk": b"\xff",
    "vonage": bytes(2),
}
"""Audio of a single sample."""


async def drip(send: Callable[[], Awaitable[None]]) -> None:
    """Send something again and again, until the connection has ended."""
    with contextlib.suppress(ConnectionClosed, OSError):
        while True:
            await send()
            await asyncio.sleep(DRIP_S)


async def until_given_up(phone: Telephone, send: Callable[[], Awaitable[None]]) -> int:
    """Drip until the connection is closed; return its code."""
    dripping = asyncio.create_task(drip(send))
    try:
        return await phone.until_closed(PATIENCE_S)
    finally:
        dripping.cancel()
        await asyncio.wait((dripping,))


async def test_a_frame_that_comes_byte_by_byte_holds_no_line(nats_server: str) -> None:
    """AudioSocket: a frame that is never complete is nothing that a caller says."""
    async with desk(nats_server, SETTINGS) as office, calling_by_tcp(office.tcp) as phone:
        await phone.send_audio(bytes(320))
        await office.until(ConverseRequest)
        rest = itertools.chain(struct.pack(">BH", 0x10, 320), itertools.repeat(0))
        await until_given_up(phone, lambda: phone.raw(bytes((next(rest),))))
        closed = await office.until(SessionClosed)

    assert closed.reason == "idle"
    assert (0, b"") in phone.told, "hung up, and not just gone"


@pytest.mark.parametrize("protocol", KINDS)
async def test_what_means_nothing_holds_no_line(nats_server: str, protocol: str) -> None:
    """Unknown events, and audio without a sample in it."""
    frames = itertools.cycle(MEANINGLESS[protocol])
    async with (
        desk(nats_server, SETTINGS) as office,
        calling(KINDS[protocol], f"{office.ws}/{protocol}") as phone,
    ):
        await office.until(ConverseRequest)
        code = await until_given_up(phone, lambda: phone.socket.send(next(frames)))
        closed = await office.until(SessionClosed)

    assert code == 1008
    assert closed.reason == "idle"


@pytest.mark.parametrize("protocol", CRUMBS)
async def test_a_sample_now_and_then_holds_no_line(nats_server: str, protocol: str) -> None:
    """Audio that nobody can say anything with is no sign of life, however often it comes."""
    async with (
        desk(nats_server, SETTINGS) as office,
        calling(KINDS[protocol], f"{office.ws}/{protocol}") as phone,
    ):
        await office.until(ConverseRequest)
        code = await until_given_up(phone, lambda: phone.socket.send(CRUMBS[protocol]))
        closed = await office.until(SessionClosed)

    assert code == 1008
    assert closed.reason == "idle"


async def test_a_frame_of_one_sample_holds_no_line(nats_server: str) -> None:
    """AudioSocket: the frame is whole, and there is next to nothing in it."""
    async with desk(nats_server, SETTINGS) as office, calling_by_tcp(office.tcp) as phone:
        await office.until(ConverseRequest)
        await until_given_up(phone, lambda: phone.send_audio(bytes(2)))
        closed = await office.until(SessionClosed)

    assert closed.reason == "idle"
    assert (0, b"") in phone.told, "hung up, and not just gone"


async def test_a_caller_who_speaks_or_presses_keys_is_there(nats_server: str) -> None:
    """A tenth of a second, or one key, in time is enough: a carrier may leave silence out."""

    async def speak(phone: Telephone) -> None:
        for _ in range(5):
            await phone.send_audio(bytes(320))

    async def press(phone: Telephone) -> None:
        await phone.press("1")

    for one in (speak, press):
        async with desk(nats_server, SETTINGS) as office, calling_by_tcp(office.tcp) as phone:
            await office.until(ConverseRequest)
            for _ in range(4):
                await one(phone)
                await asyncio.sleep(0.5)
            is_open = phone.closed is None
            await phone.hang_up()
            closed = await office.until(SessionClosed)

        assert is_open
        assert closed.reason == "client"


class Hesitant(AudioSocketPhone):
    """Never comes to say what the call is."""

    async def begin(self) -> None:
        """Say nothing."""


async def test_a_name_that_comes_byte_by_byte_is_not_waited_for(nats_server: str) -> None:
    """AudioSocket: the handshake has a time, however busy it looks; nothing is done for it."""
    name = iter(struct.pack(">BH", 0x01, 16) + bytes(range(16)))
    async with desk(nats_server, SETTINGS) as office, calling_by_tcp(office.tcp, Hesitant) as phone:
        await until_given_up(phone, lambda: phone.raw(bytes((next(name),))))
        is_complete = next(name, None) is None
        with pytest.raises(TimeoutError):
            await office.until(ConverseRequest, 0.2)

    assert phone.told == [(0, b"")]
    assert not is_complete


class Mute(SocketPhone):
    """Opens a WebSocket, and does not say what the call is."""


@pytest.mark.parametrize("said", [None, '{"event":"connected","version":"1.0.0"}'])
async def test_a_websocket_without_a_start_is_closed(nats_server: str, said: str | None) -> None:
    """Whether it is silent or greets for ever: the exchange has said nothing of a call."""

    async def greet(phone: SocketPhone) -> None:
        if said is not None:
            await phone.socket.send(said)

    async with (
        desk(nats_server, SETTINGS) as office,
        calling(Mute, f"{office.ws}/twilio") as phone,
    ):
        code = await until_given_up(phone, lambda: greet(phone))
        with pytest.raises(TimeoutError):
            await office.until(ConverseRequest, 0.2)

    assert code == 1008
