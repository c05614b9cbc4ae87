"""Work that lasts a turn or less: it ends at once when nobody wants it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from schemas.codec import decode
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted
from voicebus.bus.envelope import opened
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.errors import BusError
from voicebus.origins import departure
from voicebus.owners import Owners

log: Final = structlog.get_logger()

_LOOK_AGAIN_S: Final = 1.0
"""Pause before a log that could not be read is asked again whether the turn is over."""


async def unless_cancelled(claim: Claim, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until it ends, or until the claim's turn is cancelled.

    A cancelled turn is no failure: its claim is done. That holds for a turn, too, that was over,
    or for an attempt at it that was cancelled, before a worker had a slot for it: nothing else
    would end work that waits for others. A log that cannot be read ends nothing: the work goes on,
    and the log is asked again.
    """
    async with claim.listen(TurnCancelled, TurnEnded, SessionClosed, limit=64) as inbox:
        await _unless(inbox, _cancelled(claim, inbox), work)


async def unless_over(claim: Claim, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what ``begin`` returns as :func:`unless_cancelled` does, if the turn is not over yet.

    For work that has an effect elsewhere: it begins when the log has said that somebody waits for
    it, and as long as the log cannot be read, it does not. Nor does it where the session has gone
    to another edge: whoever leads it there has told the model that nobody knows, or orders anew.
    """
    async with claim.listen(TurnCancelled, TurnEnded, SessionClosed, limit=64) as inbox:
        while (is_left := await _known(_is_left(claim))) is None:  # noqa: ASYNC110 - a log
            await asyncio.sleep(_LOOK_AGAIN_S)
        if not is_left:
            await _unless(inbox, _cancelled(claim, inbox), begin())


async def unless_closed(claim: Claim, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what ``begin`` returns until it ends, or until the claim's session closes.

    That is no failure. Nothing begins where the session has closed already.
    """
    async with claim.listen(SessionClosed, limit=64) as inbox:
        await claim.bus.flush()
        last = await claim.bus.last("SESSION", claim.subject(SessionClosed))
        if last is None or not isinstance(decode(last.payload), SessionClosed):
            await _unless(inbox, _closed(inbox), begin())


async def _unless(
    inbox: Inbox, over: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]
) -> None:
    """Run ``work`` until it ends, or ``over`` does, which listens at ``inbox``."""
    working, cancelled = asyncio.ensure_future(work), asyncio.ensure_future(over)
    try:
        await asyncio.wait((working, cancelled), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped = not working.done()
        # A cancellation that meets an answer of the bus may get lost: wait_for before 3.12.
        inbox.close()
        for task in (working, cancelled):
            task.cancel()
        await asyncio.wait((working, cancelled))
    (cancelled if stopped else working).result()


async def _closed(inbox: Inbox) -> None:
    async for _, event in inbox:
        if isinstance(event, SessionClosed):
            return


async def _cancelled(claim: Claim, inbox: Inbox) -> None:
    """Return once the turn is over, beside the work and without holding it up."""
    owners, clock = Owners(), asyncio.get_running_loop().time
    looks_s: float | None = clock()
    while True:
        if looks_s is not None and clock() >= looks_s:
            is_over = await _known(_is_over(claim, owners))
            if is_over:
                return
            looks_s = clock() + _LOOK_AGAIN_S if is_over is None else None
        try:
            async with asyncio.timeout_at(looks_s):
                _, event = await inbox.next()
        except TimeoutError:
            continue
        except StopAsyncIteration:
            return
        # What a turn worker says that was replaced, its successor says, too, if it is so.
        if not owners.is_outdated(event) and _ends(event, claim.request):
            return


async def _known(asked: Awaitable[bool]) -> bool | None:
    """Return what the log says; None when it cannot be read."""
    try:
        return await asked
    except BusError as error:
        log.warning("log.unreadable", error=str(error))
        return None


async def _is_left(claim: Claim) -> bool:
    return await _is_over(claim, Owners()) or await departure(claim.bus, claim.place) is not None


async def _is_over(claim: Claim, owners: Owners) -> bool:
    await claim.bus.flush()
    for kind in (TurnEnded, SessionClosed):
        last = await claim.bus.last("SESSION", claim.subject(kind))
        event = None if last is None else opened(last.subject, last.payload)
        if event is not None and _ends(event, claim.request):
            return True
    async for message in claim.past(TurnCancelled):
        event = opened(message.subject, message.payload)
        if event is None:
            continue
        owners.is_outdated(event)
        if _ends(event, claim.request):
            return True
    return False


def _ends(event: Event, ours: Event) -> bool:
    if event.turn > ours.turn or isinstance(event, SessionClosed):
        return True
    if event.turn != ours.turn:
        return False
    if isinstance(event, TurnStarted):
        return event.revision > ours.revision
    return isinstance(event, TurnCancelled | TurnEnded) and event.revision >= ours.revision
