"""The server that the other tests build on, and the project's nats.conf."""

from __future__ import annotations

from pathlib import Path

import nats
import pytest
from nats.js.errors import ServerError

from subjects.streams import Limits, streams
from tests.nats_server import NatsServer


async def test_the_configuration_keeps_a_stream_over_a_crash(own_nats_server: NatsServer) -> None:
    """What was acknowledged is there after SIGKILL, on the same port."""
    url = own_nats_server.url
    client = await nats.connect(url)
    await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
    await client.jetstream().publish("kept.one", b"words")
    await client.close()

    own_nats_server.kill()
    own_nats_server.start()

    assert own_nats_server.url == url
    client = await nats.connect(url)
    kept = await client.jetstream().get_last_msg("KEPT", "kept.one")
    assert kept.data == b"words"
    await client.close()


async def test_streams_may_not_reserve_more_than_the_limit_of_the_configuration(
    own_nats_server: NatsServer,
) -> None:
    """The limit in nats.conf holds: a stream that reserves more is refused."""
    client = await nats.connect(own_nats_server.url)

    with pytest.raises(ServerError) as refusal:
        await client.jetstream().add_stream(name="HUGE", subjects=["huge.>"], max_bytes=1 << 40)

    assert refusal.value.err_code == 10047
    await client.close()


async def test_the_streams_fit_into_the_limit_of_the_configuration(
    own_nats_server: NatsServer,
) -> None:
    """The default limits of all streams together are within max_file_store."""
    client = await nats.connect(own_nats_server.url)

    for stream in streams(Limits()):
        await client.jetstream().add_stream(
            name=stream.name, subjects=list(stream.subjects), max_bytes=stream.max_bytes
        )

    account = await client.jetstream().account_info()
    assert account.streams == len(streams(Limits()))
    await client.close()


async def test_a_message_of_the_longest_conversation_fits(nats_server: str) -> None:
    """A request with 250 kB of history passes the server's limit."""
    client = await nats.connect(nats_server)

    assert client.max_payload >= 250_000

    await client.close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The server's own words are in the error."""
    server = NatsServer(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "jetstream").write_text("a file where a folder belongs")

    with pytest.raises(RuntimeError, match="not a directory"):
        server.start()


def test_a_frozen_server_can_be_stopped(own_nats_server: NatsServer) -> None:
    """Stopping works after a pause, so that no test leaves a process behind."""
    own_nats_server.pause()
    own_nats_server.stop()

    with pytest.raises(RuntimeError, match="does not run"):
        own_nats_server.resume()
