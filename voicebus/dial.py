"""Connecting to an edge, and what it says when it refuses a caller before there is a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from voicebus.errors import (
    AccessDenied,
    BusUnavailable,
    ConfigError,
    LimitReached,
    ProtocolError,
)

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_DENIED: Final = (401, 403)
_LIMITED: Final = 429


class _Error(Struct):
    code: str
    message: str
    retry_after_s: float = 0.0


class _Body(Struct):
    error: _Error


async def dial(url: str, key: str = "") -> ClientConnection:
    """Open a WebSocket to an edge.

    Args:
        url: Address of ``/ws``.
        key: API key, where the edge wants one.

    Raises:
        ConfigError: ``url`` is not a WebSocket address.
        BusUnavailable: Nobody answers there.
        AccessDenied: The edge wants a key, or another one.
        LimitReached: The edge wants to be left alone for a while.
        ProtocolError: Somebody answers who does not speak the protocol.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        # A compressed or proxied connection would be measured, not the system behind it.
        return await connect(
            url, compression=None, proxy=None, max_size=None, additional_headers=headers
        )
    except InvalidURI as err:
        raise ConfigError(f"{url} is not an address such as ws://127.0.0.1:8080/ws.") from err
    except InvalidStatus as err:
        raise _refusal(url, err) from err
    except InvalidHandshake as err:
        raise _stranger(url, str(err)) from err
    except (OSError, TimeoutError) as err:
        raise BusUnavailable(f"Nobody answers at {url}. Is the system running?") from err


def _refusal(url: str, err: InvalidStatus) -> ProtocolError:
    """Return the error that an edge's HTTP answer to a handshake stands for."""
    status = err.response.status_code
    try:
        error = msgspec.json.decode(bytes(err.response.body or b""), type=_Body).error
    except msgspec.DecodeError:
        return _stranger(url, str(err))
    if status in _DENIED:
        return AccessDenied(error.message, error.code)
    if status == _LIMITED:
        sentence = f"{error.message}; try again in {error.retry_after_s:g} s"
        return LimitReached(sentence, error.code, error.retry_after_s)
    return ProtocolError(error.message, error.code)


def _stranger(url: str, why: str) -> ProtocolError:
    return ProtocolError(f"{url} answers, but not as a voicebus edge does: {why}.")
