"""What is refused over HTTP, and before a WebSocket is opened: a status, and why in JSON."""

from __future__ import annotations

import math
from typing import Final

import structlog
from starlette.responses import JSONResponse, Response

from edge import wire
from voicebus import metrics
from voicebus.errors import AccessDenied, LimitReached, VoicebusError

log: Final = structlog.get_logger()

_STATUS: Final = {
    "audio_unsupported": 415,
    "audio_corrupt": 422,
    "audio_too_long": 413,
    "upload_too_large": 413,
    "upload_too_slow": 408,
    "bad_field": 400,
    "nothing_heard": 422,
    "unknown_voice": 404,
    "unknown_model": 404,
    "engine_timeout": 504,
    "engine": 502,
    "poisoned": 502,
    "origin_forbidden": 403,
    "site_unknown": 404,
}


def refused(err: VoicebusError, kind: str) -> Response:
    """Return the answer that refuses a request, and count it.

    Args:
        err: Why.
        kind: The edge's kind, for metrics.
    """
    told = wire.error(err)
    metrics.CLIENT_ERRORS.labels(kind, told["code"]).inc()
    log.info("client.refused", code=told["code"])
    return denial(err)


def denial(err: VoicebusError) -> Response:
    """Return the answer that refuses a request; who asks for it counts it."""
    told = wire.error(err)
    headers = {}
    if err.retry_after_s:
        # RFC 9110, 10.2.3: whole seconds
        headers["retry-after"] = str(math.ceil(err.retry_after_s))
    status = status_of(err, told["code"])
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(
        {"error": {name: value for name, value in told.items() if name != "type"}}, status, headers
    )


def status_of(err: VoicebusError, code: str) -> int:
    """Return the status of the answer that tells of an error."""
    match err:
        case LimitReached():
            return 429
        case AccessDenied() if code not in _STATUS:
            return 401
    return _STATUS.get(code, 503 if err.retryable else 400)
