from __future__ import annotations

import asyncio
import contextlib

from benchmarks.relay import relay


async def test_bytes_pass_until_the_line_is_cut() -> None:
    """In both directions; a new connection passes again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    heard = []
    ends = []
    async with relay(f"ws://127.0.0.1:{port}/ws") as line:
        near = int(line.url.rsplit(":", 1)[1].removesuffix("/ws"))
        for word in (b"one", b"two"):
            reader, writer = await asyncio.open_connection("127.0.0.1", near)
            writer.write(word)
            heard.append(await reader.readexactly(3))
            line.cut()
            with contextlib.suppress(ConnectionError):
                ends.append(await reader.read())
            writer.close()
    server.close()

    assert heard == [b"one", b"two"]
    assert all(end == b"" for end in ends)
    assert line.url.endswith("/ws")


async def test_a_server_that_is_not_there_refuses() -> None:
    """The connection ends at once."""
    async with relay("ws://127.0.0.1:1/ws") as line:
        near = int(line.url.rsplit(":", 1)[1].removesuffix("/ws"))
        reader, writer = await asyncio.open_connection("127.0.0.1", near)
        data = b""
        with contextlib.suppress(ConnectionError):
            data = await reader.read()
        writer.close()

    assert data == b""


async def test_connections_are_given_to_servers_in_turn() -> None:
    """One that does not answer is passed over."""

    def says(word: bytes) -> asyncio.Future[asyncio.Server]:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(word)
            writer.close()

        return asyncio.ensure_future(asyncio.start_server(serve, "127.0.0.1", 0))

    servers = [await says(word) for word in (b"one", b"two")]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    heard: list[bytes] = []
    async with relay(*(f"ws://127.0.0.1:{port}/ws" for port in ports)) as line:
        near = int(line.url.rsplit(":", 1)[1].removesuffix("/ws"))
        for _ in range(4):
            if len(heard) == 2:
                servers[0].close()
                await servers[0].wait_closed()
            reader, writer = await asyncio.open_connection("127.0.0.1", near)
            heard.append(await reader.read())
            writer.close()
    servers[1].close()

    assert heard == [b"one", b"two", b"two", b"two"]
