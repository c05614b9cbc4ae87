"""Raw answers, taken as they are read."""

from __future__ import annotations

from nats.aio.msg import Msg

from tests.bus import bus_at


async def test_what_cannot_be_taken_keeps_nothing_else_back(nats_server: str) -> None:
    """The connection lasts, and what comes behind is taken."""
    taken: list[bytes] = []

    def take(answer: Msg) -> None:
        taken.append(answer.data)
        if answer.data == b"bad":
            raise ValueError("bad")

    async with bus_at(nats_server) as bus, bus.answers("job", take) as head:
        for data in (b"bad", b"good"):
            await bus.publish_raw(f"{head}.1", data)
        await bus.flush()

        assert taken == [b"bad", b"good"]
        assert bus.is_connected


async def test_much_of_it_is_not_counted_as_waiting(nats_server: str) -> None:
    """However long a connection lasts: nothing is dropped as if its reader were slow."""
    size, count = 512 << 10, 300
    lengths: list[int] = []

    async with bus_at(nats_server) as bus:
        async with bus.answers("job", lambda answer: lengths.append(len(answer.data))) as head:
            for _ in range(count):
                await bus.publish_raw(f"{head}.1", bytes(size))
                await bus.flush()  # or the server takes us for slow

        assert lengths == [size] * count
