"""What a server answers by HTTP, bounded: the library reads an answer as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from services.tool.engines.lines import MOST_BYTES

PLAIN = {"accept-encoding": "identity"}
"""What is compressed may be a thousand times as large as it comes."""


async def bound(response: httpx2.Response) -> None:
    """Let no more than :data:`MOST_BYTES` of an answer be read; a hook of the client.

    A stream of events goes on for long: there the library bounds each event.
    """
    is_stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    if is_stream and is_plain:
        return
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream, MOST_BYTES if is_plain else 0)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, left_bytes: int) -> None:
        self._stream = stream
        self._left_bytes = left_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._left_bytes -= len(piece)
            if self._left_bytes < 0:
                raise httpx2.StreamError(f"it is compressed, or larger than {MOST_BYTES >> 20} MB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
