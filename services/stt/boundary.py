"""Between the event loop and the threads that call foreign libraries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog

from voicebus.errors import EngineError

_log = structlog.get_logger()
_T = TypeVar("_T")


def settle(answer: asyncio.Future[_T], outcome: _T | EngineError) -> None:
    """Answer, unless nobody waits any more."""
    if answer.done():
        return
    if isinstance(outcome, EngineError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)


def translated(work: Callable[[], _T]) -> _T:
    """Do it, and let nothing but an EngineError out.

    Raises:
        EngineError: The library's own, or another that hides what it raised.
    """
    try:
        return work()
    except EngineError:
        raise
    # The boundary to foreign libraries: whatever they raise must fail one request, not the thread.
    except Exception as err:
        _log.exception("engine.failed")
        raise EngineError("speech recognition failed") from err
