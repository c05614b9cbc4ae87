"""The frames of the load generator, against a real WebSocket library on the other side."""

from __future__ import annotations

import time

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.load import frames


def opened() -> tuple[ServerProtocol, frames.Incoming]:
    """A server that has taken the handshake, and what the client has read of it."""
    server, incoming = ServerProtocol(), frames.Incoming()
    server.receive_data(frames.handshake("ws://127.0.0.1:9/ws"))
    request = server.events_received()[0]
    assert isinstance(request, Request)
    assert request.path == "/ws"
    server.send_response(server.accept(request))
    for data in server.data_to_send():
        assert incoming.take(data) == []
    assert incoming.is_open
    return server, incoming


def test_a_server_takes_text_and_stamped_audio() -> None:
    """Frames of all three lengths arrive as they were sent."""
    server, _ = opened()
    now_ns = time.perf_counter_ns()
    for data in (
        frames.text(b"{}"),
        frames.stamped(now_ns, 320),
        frames.stamped(now_ns, 40_000),
    ):
        server.receive_data(data)

    short, audio, long = server.events_received()

    assert isinstance(short, Frame)
    assert isinstance(audio, Frame)
    assert isinstance(long, Frame)
    assert (short.opcode, short.data) == (Opcode.TEXT, b"{}")
    assert (audio.opcode, len(audio.data), len(long.data)) == (Opcode.BINARY, 640, 80_000)
    assert frames.stamp_of(bytes(audio.data)) == now_ns


def test_pings_are_answered_and_closing_is_noticed() -> None:
    """Also when the bytes come one by one, between messages of any length."""
    server, incoming = opened()
    server.send_binary(bytes(70_000))
    server.send_ping(b"there?")
    server.send_text(b"x" * 300)
    server.send_close()
    sent = b"".join(server.data_to_send())

    pings = [ping for index in range(len(sent)) for ping in incoming.take(sent[index : index + 1])]

    assert pings == [b"there?"]
    assert incoming.closed
    assert frames.pong(b"there?")[0] & 0x0F == Opcode.PONG


def test_a_refusal_is_told() -> None:
    """Who has no key is not called."""
    incoming = frames.Incoming()

    incoming.take(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    assert not incoming.is_open
    assert incoming.refusal == "HTTP/1.1 401 Unauthorized"
