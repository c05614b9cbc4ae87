"""Tool worker: calls functions for the language model.

Consumes   job.tool   ToolRequest, one per call
           dn.cancel  TurnCancelled
           dn.tool    ToolDone: that of a lost worker, from the log
Publishes  dn.tool    ToolDone

It answers each job with words for the model, whatever happens: a function that hangs, breaks or
returns what nobody can read is a failed call, and nobody else notices. A job that a lost worker had
is done again only where that is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog

from schemas.codec import decode
from schemas.tool import PICK_UP_S, ToolDone, ToolRequest
from services.tool.engine import Engine, Result
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import EngineError, EngineUnavailable, ProtocolError, RequestRefused
from voicebus.outcomes import failed, missing, unread
from voicebus.tracing.context import exemplar
from voicebus.turns import unless_over

log: Final = structlog.get_logger()

_LOST: Final = Result(missing("the connection was lost", repeatable=False), failed=True)
_TOO_LATE: Final = Result(
    failed("nobody was free to call it in time; it was not done"), failed=True
)


async def call(claim: Claim, servers: Mapping[str, Engine], result_chars: int) -> None:
    """Call one function, unless it was called already."""
    request = claim.request
    if not isinstance(request, ToolRequest):
        raise ProtocolError(f"not a request to call a function: {type(request).__name__}")
    if claim.is_takeover:
        if await _is_done(claim, request):
            claim.took_over("done")
            return
        claim.took_over("anew" if request.repeatable else "cut")
        if not request.repeatable:
            await _tell(claim, request, _LOST, 0.0)
            return
    elif _age_s(claim) > PICK_UP_S:
        # Nobody waits for it any more, and what it does cannot always be undone.
        await _tell(claim, request, _TOO_LATE, 0.0)
        return
    await unless_over(claim, lambda: _call(claim, request, servers, result_chars))


async def _call(
    claim: Claim, request: ToolRequest, servers: Mapping[str, Engine], result_chars: int
) -> None:
    begun_s = time.perf_counter()
    result = await _result(claim, request, servers)
    if len(result.content) > result_chars:
        reason = (
            f"it was called, but its result has {len(result.content)} characters; "
            f"at most {result_chars} fit"
        )
        result = Result(unread(reason, repeatable=request.repeatable), failed=True)
    await _tell(claim, request, result, time.perf_counter() - begun_s)


async def _result(claim: Claim, request: ToolRequest, servers: Mapping[str, Engine]) -> Result:
    server = servers.get(request.server)
    if server is None:
        return Result(failed(f"the server {request.server!r} is not known here"), failed=True)
    try:
        arguments = _arguments(request.arguments)
        name = f"{claim.place.session}-{claim.job}"
        return await server.call(request.name, arguments, name, request.timeout_s)
    except (EngineUnavailable, RequestRefused) as err:
        return Result(failed(f"{err}"), failed=True)
    except EngineError as err:
        reason = f"{err}"
    except Exception as err:  # a library's bug is no reason to take the job three times
        log.error("tool.crashed", server=request.server, tool=request.name, exc_info=err)
        reason = "the call broke off"
    return Result(missing(reason, repeatable=request.repeatable), failed=True)


async def _tell(claim: Claim, request: ToolRequest, result: Result, took_s: float) -> None:
    outcome = "failed" if result.failed else "done"
    metrics.TOOL_CALLS.labels(request.server, outcome).inc()
    metrics.TOOL_SECONDS.labels(request.server).observe(took_s, exemplar())
    if result.failed:
        log.warning("tool.failed", server=request.server, tool=request.name)
    await claim.publish(
        ToolDone(
            round=request.round,
            content=result.content,
            failed=result.failed,
            ms=took_s * 1000,
            turn=request.turn,
            revision=request.revision,
            seq=request.seq,
        )
    )


async def _is_done(claim: Claim, request: ToolRequest) -> bool:
    number = (request.turn, request.revision, request.round, request.seq)
    async for message in claim.past(ToolDone):
        event = decode(message.payload)
        if isinstance(event, ToolDone) and number == (
            event.turn,
            event.revision,
            event.round,
            event.seq,
        ):
            return True
    return False


def _age_s(claim: Claim) -> float:
    # The store's clock is a wall clock, so this one has to be.
    return time.time() - claim.stored_ns / 1e9  # noqa: TID251


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as err:
        raise RequestRefused("the arguments are no JSON object") from err
