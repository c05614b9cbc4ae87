"""What comes to a telephony edge that is no call: refused clearly, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from schemas.turn import TurnEnded
from tests.carriers import TwilioPhone
from tests.e2e.telephony import SECRET, Exchange, exchange, overheard
from tests.models import model_path
from tests.system import SYNTHETIC
from tests.telephones import calling, calling_by_tcp

pytestmark = pytest.mark.model

OWN = {
    "TELEPHONY_GREETING": "Hello.",
    "TELEPHONY_HANDSHAKE_S": "1.5",
    "TELEPHONY_IDLE_S": "2",
    "TELEPHONY_MAX_CALLS": "4",
}
NAME = struct.pack(">BH", 1, 16) + uuid.UUID(int=7).bytes


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Little patience, and four lines."""
    model_path("silero-vad")
    with exchange(tmp_path_factory.mktemp("office"), SYNTHETIC, OWN) as running:
        yield running


async def expect_a_greeting(office: Exchange) -> None:
    """An ordinary call gets through."""
    async with overheard(office) as bus, calling(TwilioPhone, office.ws("twilio")) as phone:
        await phone.until(lambda: bool(bus.of(TurnEnded)), "the greeting's end")
    assert phone.heard


async def status_of(url: str, **options: object) -> int:
    """What a handshake is answered; 101 if it is let in."""
    try:
        async with connect(url, proxy=None, **options):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("twilio", 401),
        ("twilio/wrong", 401),
        ("twilio?secret=wrong", 401),
        ("nobody/" + SECRET, 400),
        ("", 403),
        ("twilio/a/b", 403),
    ],
)
async def test_who_has_no_secret_is_refused_before_the_socket_opens(
    office: Exchange, path: str, status: int
) -> None:
    """By HTTP, so that a carrier's log shows it."""
    url = office.ws("x", "").removesuffix("x") + path

    assert await status_of(url) == status


async def test_pages_do_not_bring_calls(office: Exchange) -> None:
    """Whatever their secret is: a browser would send them with somebody's address."""
    assert await status_of(office.ws("twilio"), origin="https://evil.example") == 403
    assert await status_of(office.ws("twilio")) == 101


@pytest.mark.parametrize(
    "sent",
    [
        *([b"\x00" * 10], ["no json"], ["[]"], ['{"event":"media","media":{"payload":"AAAA"}}']),
        *(["x" * 70_000], ['{"event":"start","start":{"mediaFormat":{"encoding":"OPUS"}}}']),
        ['{"event":"start","start":{"customParameters":{"language":"nonsense"}}}'],
        ['{"event":"start","start":{}}', '{"event":"start","start":{}}'],
    ],
)
async def test_what_is_no_call_of_twilio_is_closed(
    office: Exchange, sent: list[str | bytes]
) -> None:
    """With a code and a reason; larger frames than there are by their size."""
    async with connect(office.ws("twilio"), proxy=None, compression=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            for frame in sent:
                await socket.send(frame)
            async with asyncio.timeout(10):
                async for _ in socket:
                    pass
        await socket.wait_closed()

    assert socket.close_code in {1008, 1009}
    await expect_a_greeting(office)


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", NAME + NAME, NAME + b"\x77\x00\x00"]
)
async def test_what_is_no_audiosocket_is_hung_up(office: Exchange, sent: bytes) -> None:
    """At its first bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.tcp)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer.endswith(b"\x00\x00\x00")


@pytest.mark.parametrize("sent", [b"", b"\x01", NAME[:10]])
async def test_who_takes_too_long_to_say_who_it_is_is_hung_up(
    office: Exchange, sent: bytes
) -> None:
    """Slowly, or never."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.tcp)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer == b"\x00\x00\x00"


async def test_a_handshake_that_comes_slowly_is_not_waited_for(office: Exchange) -> None:
    """One letter at a time: 408, and the connection ends."""
    port = int(office.ws("x").split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /twilio HTTP/1.1\r\nhost: localhost\r\n")
    reading = asyncio.create_task(reader.read())
    async with asyncio.timeout(10):
        while not reading.done():
            writer.write(b"X")
            await asyncio.wait((reading,), timeout=0.1)
    writer.close()

    assert reading.result().startswith(b"HTTP/1.1 408 ")


async def test_a_line_on_which_nothing_comes_is_hung_up(office: Exchange) -> None:
    """After a while: its exchange has forgotten it."""
    async with calling(TwilioPhone, office.ws("twilio")) as phone:
        assert await phone.until_closed(15) == 1008


async def test_more_calls_than_lines_are_told_so_at_once(office: Exchange) -> None:
    """The exchange gets a status, and goes on with the next thing that it was told to do."""
    async with contextlib.AsyncExitStack() as stack:
        phones = [
            await stack.enter_async_context(calling(TwilioPhone, office.ws("twilio")))
            for _ in range(4)
        ]
        await asyncio.gather(*(phone.until(lambda p=phone: p.heard, "ring") for phone in phones))
        assert await status_of(office.ws("twilio")) == 503
        async with calling_by_tcp(office.tcp) as late:
            assert await late.until_closed() == -1
        assert late.told == [(0, b"")]
    await office.until_idle()
    await expect_a_greeting(office)


async def test_a_flood_of_audio_costs_nobody_else_anything(office: Exchange) -> None:
    """What comes faster than anybody speaks is thrown away."""
    async with calling_by_tcp(office.tcp) as flood:
        for _ in range(2_000):
            await flood.send_audio(np.zeros(160, np.int16).tobytes())
        await expect_a_greeting(office)
        await flood.hang_up()
    await office.until_idle()

    assert office.metric("voicebus_telephony_dropped_seconds_total") > 30
