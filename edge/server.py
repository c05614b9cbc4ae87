"""How the edge's application is served."""

from __future__ import annotations

from functools import partial
from typing import Any

from edge.guards import GuardedWebSocket
from edge.settings import EdgeSettings
from voicebus.http_guard import HEAD_BYTES, GuardedHttp


def options(settings: EdgeSettings) -> dict[str, Any]:
    """Return the settings of ``uvicorn.Config`` besides the application."""
    return {
        "http": partial(GuardedHttp, handshake_s=settings.handshake_s),
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "ws": GuardedWebSocket,
        "ws_max_size": settings.max_frame_bytes,
        "ws_per_message_deflate": False,
        "proxy_headers": bool(settings.proxies),
        "forwarded_allow_ips": settings.proxies,
        "server_header": False,
        "timeout_graceful_shutdown": 3,
    }
