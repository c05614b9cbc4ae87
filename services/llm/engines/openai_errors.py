"""What OpenAI's client raises, in our words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import httpx2
import openai

from voicebus.errors import (
    ContextTooLong,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
    EngineUnavailable,
    RequestRefused,
    UnknownModel,
)

_OVERLOADED_CODES: Final = frozenset({"429", "503", "rate_limit_exceeded", "overloaded_error"})

_MOST_DIGITS: Final = 9
"""Of a pause that is asked for: longer ones are nonsense, and would be told on."""


@contextlib.contextmanager
def translated(model: str) -> Iterator[None]:
    """Turn the client's errors into ours. Upstream texts stay out: they may hold secrets.

    Args:
        model: What was asked.

    Raises:
        EngineError: One of its kind for what the client raised.
    """
    try:
        yield
    except (TimeoutError, openai.APITimeoutError) as err:
        if isinstance(err.__cause__, httpx2.ConnectTimeout):
            raise EngineUnavailable("The language model cannot be reached.") from err
        raise EngineTimeout("The language model did not answer in time.") from err
    except openai.APIStatusError as err:
        raise _of_status(err, model) from err
    except openai.APIConnectionError as err:
        if isinstance(err.__cause__, httpx2.ConnectError):
            raise EngineUnavailable("The language model cannot be reached.") from err
        raise EngineError("The connection to the language model broke.") from err
    except openai.APIError as err:
        if str(err.code) in _OVERLOADED_CODES:
            raise EngineOverloaded("The language model is overloaded.") from err
        raise EngineError("The language model reported an error in its reply.") from err
    except (httpx2.HTTPError, httpx2.StreamError, ValueError) as err:
        raise EngineError("The language model sent something that is no reply.") from err


def _of_status(err: openai.APIStatusError, model: str) -> EngineError:
    match err.status_code:
        case 401 | 403:
            failure: EngineError = EngineUnavailable(
                "The language model server refused our credentials."
            )
        case 404:
            failure = UnknownModel(f"The language model server has no model {model!r}.")
        case 408 | 504:
            failure = EngineTimeout("The language model did not answer in time.")
        case 429 | 503:
            wait = err.response.headers.get("retry-after", "")
            is_number = wait.isascii() and wait.isdigit() and len(wait) <= _MOST_DIGITS
            when = f" Come back in {wait} s." if is_number else ""
            failure = EngineOverloaded(f"The language model is overloaded.{when}")
            failure.retry_after_s = float(wait) if is_number else 0.0
        case status if status >= 500:
            failure = EngineUnavailable("The language model server failed.")
        case status if status == 413 or "context" in f"{err.code} {err.type}":
            failure = ContextTooLong("The conversation is too long for the language model.")
        case 400 | 422:
            failure = RequestRefused("The language model server refused the request.")
        case _:
            failure = EngineError("The language model server refused the request.")
    return failure
