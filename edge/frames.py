"""Frames of a WebSocket (RFC 6455, section 5.2), as far as they need no parser. Pure."""

from __future__ import annotations

from typing import Final

# Made in C where that is there.
from websockets.frames import apply_mask  # type: ignore[attr-defined]

_LAST_BINARY: Final = 0x82
_MASKED: Final = 0x80
_TWO_BYTES: Final = 126
_MASK_BYTES: Final = 4


def whole_binary(data: bytes) -> bytes | None:
    """Return the payload, if this is one binary message of a client in one frame, and no more.

    Args:
        data: Bytes as they came, from where a frame begins.

    Returns:
        Its payload; None: something else, or not all of it, or more than 64 KiB.
    """
    if len(data) < 2 + _MASK_BYTES or data[0] != _LAST_BINARY or data[1] < _MASKED:
        return None
    size, mask_at = data[1] - _MASKED, 2
    if size == _TWO_BYTES:
        size, mask_at = data[2] << 8 | data[3], 4
        if size < _TWO_BYTES:
            return None
    elif size > _TWO_BYTES:
        return None
    begin = mask_at + _MASK_BYTES
    if len(data) != begin + size:
        return None
    return apply_mask(data[begin:], data[mask_at:begin])
