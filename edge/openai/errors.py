"""What went wrong, in the words of OpenAI's API.

Source: https://platform.openai.com/docs/guides/error-codes and the Python SDK, which reads
``message``, ``type``, ``param`` and ``code``, and obeys ``x-should-retry``.
"""

from __future__ import annotations

import math
from typing import Any, Final

from msgspec import Struct
from starlette.responses import JSONResponse

from edge import wire
from edge.answers import status_of
from voicebus.errors import ProtocolError, VoicebusError

_STATUS: Final = {
    "model_not_found": 404,
    "not_found": 404,
    "response_not_found": 404,
    "method_not_allowed": 405,
    "request_too_large": 413,
    "context_too_long": 400,
    "request_refused": 400,
    "not_recorded": 501,
    "internal": 500,
    "not_implemented": 501,
}
"""Statuses of codes that other edges do not have."""

_CODES: Final = {
    "key_missing": "invalid_api_key",
    "key_unknown": "invalid_api_key",
    "key_revoked": "invalid_api_key",
    "context_too_long": "context_length_exceeded",
    "unknown_voice": "voice_not_found",
    "unknown_model": "model_not_found",
    "too_many_connections": "rate_limit_exceeded",
    "too_many_sessions": "rate_limit_exceeded",
    "too_many_turns": "rate_limit_exceeded",
    "too_many_tokens": "rate_limit_exceeded",
    "too_much_audio": "rate_limit_exceeded",
}
"""Our codes, as clients of OpenAI know them; others go out as they are."""

_PARAMS: Final = {
    "unknown_voice": "voice",
    "unknown_model": "model",
    "context_too_long": "messages",
}


class BadRequest(ProtocolError):
    """Raised when a request asks for what this API does not have.

    Args:
        message: What is wrong with it.
        param: The field that is wrong.
        reason: A stable name of the error.
    """

    def __init__(self, message: str, param: str = "", reason: str = "invalid_value") -> None:
        super().__init__(message, reason)
        self.param = param


class Refusal(Struct, frozen=True):
    """An error as a client is told it.

    Fields
        status: Of an answer that is nothing but the error.
        error: The object under ``error``.
        headers: Of such an answer.
    """

    status: int
    error: dict[str, Any]
    headers: dict[str, str]

    def response(self) -> JSONResponse:
        """Return the answer that is the error."""
        return JSONResponse({"error": self.error}, self.status, self.headers)


def refusal(err: VoicebusError) -> Refusal:
    """Return how a client is told of an error."""
    code: str = wire.error(err)["code"]
    status = _STATUS.get(code) or status_of(err, code)
    param = getattr(err, "param", "") or _PARAMS.get(code)
    headers = {"x-should-retry": "true" if err.retryable else "false"}
    if err.retry_after_s:
        # RFC 9110, 10.2.3: whole seconds
        headers["retry-after"] = str(math.ceil(err.retry_after_s))
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    error = {
        "message": str(err),
        "type": _type(status, code),
        "param": param or None,
        "code": _CODES.get(code, code),
    }
    return Refusal(status, error, headers)


def _type(status: int, code: str) -> str:
    if status == 429:
        return "tokens" if code == "too_many_tokens" else "requests"
    return "server_error" if status >= 500 else "invalid_request_error"
