"""What comes to a telephony edge that is no call: refused clearly, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import struct
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from schemas.turn import TurnEnded
from tests.asterisk_phones import AsteriskPhone
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


def media(size: int) -> str:
    """A message with audio, of which JSON-speaking carriers send fifty a second."""
    payload = base64.b64encode(bytes(size)).decode()
    return json.dumps({"event": "media", "media": {"track": "inbound", "payload": payload}})


def start(**fields: object) -> str:
    """The first message of a call."""
    return json.dumps({"event": "start", "start": fields})


ASTERISK = AsteriskPhone.start
VONAGE = '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}'
BAD: dict[str, tuple[list[str | bytes], ...]] = {
    "twilio": (
        [b"\x00" * 10],
        ["no json"],
        ["[]"],
        [media(160)],
        [start(mediaFormat={"encoding": "OPUS"})],
        [start(customParameters={"language": "nonsense"})],
        [start(), start()],
        [start(), '{"event":"media","media":{"track":"inbound","payload":"!"}}'],
        [start(), media(160)[:-20]],
    ),
    "telnyx": (
        [b"\x00" * 10],
        ["no json"],
        [media(160)],
        [start(), start()],
        [start(media_format={"encoding": "AMR-WB", "sample_rate": 16000})],
    ),
    "asterisk": (
        [bytes(160)],
        ["no json"],
        ["{"],
        ["DTMF_END digit:1"],
        [ASTERISK, ASTERISK],
        [ASTERISK.replace("ulaw", "opus")],
        ['{"event":"MEDIA_START"'],
    ),
    "vonage": (
        [bytes(160)],
        ["no json"],
        ["[]"],
        ['{"event":"websocket:connected"}'],
        [VONAGE, '{"event":'],
    ),
}


@pytest.mark.parametrize(
    ("protocol", "sent"), [(protocol, one) for protocol, all_ in BAD.items() for one in all_]
)
async def test_what_is_no_call_is_closed(
    office: Exchange, protocol: str, sent: list[str | bytes]
) -> None:
    """With 1008 and a reason, whichever carrier it is said to be."""
    socket = await closed_after(office, protocol, sent)

    assert socket.close_code == 1008
    assert socket.close_reason in {"bad_frame", "unsupported_format", "bad_field"}


@pytest.mark.parametrize(
    ("protocol", "begun", "huge"),
    [
        ("twilio", start(), media(50_000)),
        ("telnyx", start(), media(50_000)),
        ("asterisk", ASTERISK, bytes(70_000)),
        ("vonage", VONAGE, bytes(70_000)),
    ],
)
async def test_a_frame_that_is_too_large_is_closed_by_its_size(
    office: Exchange, protocol: str, begun: str, huge: str | bytes
) -> None:
    """It is as it should be in all else; nobody else notices."""
    socket = await closed_after(office, protocol, [begun, huge])

    assert socket.close_code == 1009
    await expect_a_greeting(office)


async def closed_after(
    office: Exchange, protocol: str, sent: list[str | bytes]
) -> ClientConnection:
    """Send frames; return the connection once the edge has closed it."""
    async with connect(office.ws(protocol), proxy=None, compression=None) as socket:
        with contextlib.suppress(ConnectionClosed):
            for frame in sent:
                await socket.send(frame)
            async with asyncio.timeout(10):
                async for _ in socket:
                    pass
        await socket.wait_closed()
    return socket


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
async def test_who_does_not_say_who_it_is_is_hung_up(office: Exchange, sent: bytes) -> None:
    """Not at all, or not to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.tcp)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer == b"\x00\x00\x00"


async def test_who_says_slowly_who_it_is_is_hung_up(office: Exchange) -> None:
    """A byte at a time, in time each: the whole of it has a time, too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.tcp)
    reading = asyncio.create_task(reader.read())
    name = iter(NAME)
    async with asyncio.timeout(10):
        while not reading.done():
            writer.write(bytes((next(name),)))
            await asyncio.wait((reading,), timeout=0.15)
    writer.close()

    assert reading.result() == b"\x00\x00\x00"
    assert next(name, None) is not None, "it was given up before it was through"


async def test_a_websocket_that_says_nothing_of_a_call_is_closed(office: Exchange) -> None:
    """After the time that a handshake may take; a greeting is none."""
    clock = asyncio.get_running_loop().time
    begun_s = clock()
    socket = await closed_after(office, "twilio", ['{"event":"connected"}'])

    assert socket.close_code == 1008
    assert socket.close_reason == "idle"
    assert 1.2 < clock() - begun_s < 4


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
