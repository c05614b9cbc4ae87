"""Connections to /v1/realtime, and what is told first over them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.edge.openai.serving import Served


@asynccontextmanager
async def socket(
    served: Served,
    query: str = "",
    subprotocols: Sequence[str] | None = None,
    origin: str | None = None,
    **headers: str,
) -> AsyncIterator[ClientConnection]:
    """A connection to /v1/realtime."""
    url = str(served.http.base_url).replace("http", "ws", 1)
    async with connect(
        f"{url}v1/realtime{query}" if url.endswith("/") else f"{url}/v1/realtime{query}",
        subprotocols=subprotocols,  # type: ignore[arg-type]  # plain strings
        origin=origin,  # type: ignore[arg-type]  # a plain string
        additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
        proxy=None,
    ) as connection:
        yield connection


async def created(connection: ClientConnection) -> dict[str, Any]:
    """The session, as it is told first."""
    told = json.loads(await connection.recv())
    assert told["type"] == "session.created"
    session: dict[str, Any] = told["session"]
    return session


async def refusal(served: Served, **given: Any) -> tuple[int, str]:
    """Status and code of a refused connection."""
    with pytest.raises(InvalidStatus) as caught:
        async with socket(served, **given):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]
