"""What servers say is read up to a bound."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from services.tool.engines.bounded import PLAIN, bound
from services.tool.engines.lines import MOST_BYTES, Lines, TooLong


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_those_that_were_written(size: int) -> None:
    """In whatever pieces they come; what is longer than may be is passed over, and others go on."""
    written = b"one\n\n" + b"x" * 50 + b"\ntwo" + b"\n" + b"y" * 20 + b"\nrest"
    lines, found = Lines(20), list[bytes | TooLong]()
    for begin in range(0, len(written), size):
        found += lines.push(written[begin : begin + size])

    assert found == [b"one", b"", TooLong(None), b"two", b"y" * 20]


@pytest.mark.parametrize(
    ("head", "tail", "answers"),
    [
        ({"jsonrpc": "2.0", "id": 7}, {}, 7),
        ({"id": 7}, {"jsonrpc": "2.0"}, 7),
        ({}, {"jsonrpc": "2.0", "id": 7}, 7),
        ({}, {"id": 7, "jsonrpc": "2.0"}, 7),
        ({"jsonrpc": "2.0"}, {}, None),
        ({"jsonrpc": "2.0", "method": "x"}, {"params": {"id": 7}}, None),
    ],
)
def test_whose_answer_is_too_long_is_known(
    head: dict[str, object], tail: dict[str, object], answers: int | None
) -> None:
    """From its begin or its end, as servers write it; never from what a function returned."""
    result = {"text": 'x", "id": 9, "' * 200_000}
    for separators in ((",", ":"), (", ", ": ")):
        line = json.dumps({**head, "result": result, **tail}, separators=separators)
        assert Lines().push(line.encode() + b"\n") == [TooLong(answers)]


def test_a_line_without_end_takes_no_more_memory() -> None:
    """It is not kept beyond what a line may have."""
    lines = Lines(1000)
    for _ in range(100):
        assert lines.push(b"x" * 10_000) == []
    assert len(lines._line) <= 1000


@pytest.mark.parametrize(
    ("head", "size", "is_read"),
    [
        ({"content-type": "application/json"}, MOST_BYTES, True),
        ({"content-type": "application/json"}, MOST_BYTES + 1, False),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 10, False),
        ({"content-type": "text/event-stream"}, 2 * MOST_BYTES, True),
        ({"content-type": "text/event-stream", "content-encoding": "gzip"}, 10, False),
        ({}, MOST_BYTES + 1, False),
    ],
)
async def test_an_answer_by_http_is_bounded(head: dict[str, str], size: int, is_read: bool) -> None:
    """A stream of events goes on for long; what is compressed could be of any size."""

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, size, 1 << 16):
            yield b"x" * min(1 << 16, size - begin)

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx2.Response(200, headers=head, content=pieces())

    async with httpx2.AsyncClient(
        transport=httpx2.MockTransport(answer), headers=PLAIN, event_hooks={"response": [bound]}
    ) as client:
        if is_read:
            assert len((await client.get("http://x")).content) == size
        else:
            with pytest.raises(httpx2.StreamError, match="larger than 1 MB"):
                await client.get("http://x")
