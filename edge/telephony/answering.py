"""From a connection's first frame to its end, whatever comes in between."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from edge import wire as client_wire
from edge.clock import now_s
from edge.telephony.call import Call
from edge.telephony.events import Begun, Happening, HungUp, Wire
from edge.telephony.line import Line
from edge.telephony.office import KIND, Office
from edge.telephony.settings import TelephonySettings
from schemas.settings import SessionSettings
from voicebus import channel_metrics, metrics
from voicebus.errors import ProtocolError, VoicebusError

log: Final = structlog.get_logger()

_ASSUME_S: Final = 1.0
"""An exchange that names a call and sends no audio for as long gets the call begun all the same."""


async def serve(protocol: str, wire: Wire, line: Line, office: Office) -> None:
    """Serve a connection from its first frame to its end; nothing of ours is raised."""
    reason = "internal"
    try:
        begun, further = await _begun(wire, line, office.settings.handshake_s)
        chosen = _chosen(office.settings, begun)
        async with office.sessions.open(KIND) as session:
            with bound_contextvars(session=session.place.session, protocol=protocol):
                log.info("call.begun", call=begun.call, sound=str(begun.sound))
                call = Call(session, wire, line, office, begun)
                session.close_reason = reason = await call.run(protocol, chosen, further)
                log.info("call.ended", reason=reason)
    except VoicebusError as err:
        reason = client_wire.error(err)["code"]
        metrics.CLIENT_ERRORS.labels(KIND, reason).inc()
        log.info("call.refused", protocol=protocol, code=reason)
    finally:
        channel_metrics.TELEPHONY_CALLS.labels(protocol, reason).inc()
        if reason not in ("client", "lost"):
            with suppress(VoicebusError):
                for frame in wire.hang_up():
                    line.send(frame)
        await line.close(reason)


async def _begun(wire: Wire, line: Line, patience_s: float) -> tuple[Begun, list[Happening]]:
    """Wait until it is known what the call is; return that, and what came with it.

    Raises:
        ProtocolError: It breaks the protocol, says nothing, or is over before it began.
    """
    until_s = now_s() + patience_s
    while (left_s := until_s - now_s()) > 0:
        try:
            async with asyncio.timeout(min(left_s, _ASSUME_S)):
                frame = await line.receive()
        except TimeoutError:
            happened = wire.assume()
        else:
            if frame is None:
                break
            happened = wire.received(frame)
        for at, one in enumerate(happened):
            if isinstance(one, Begun):
                return one, happened[at + 1 :]
            if isinstance(one, HungUp):
                raise ProtocolError("the call was over before it began", "hung_up")
    raise ProtocolError("nothing was said of the call", "idle")


def _chosen(settings: TelephonySettings, begun: Begun) -> SessionSettings:
    try:
        return settings.session(begun.parameters)
    except ValueError as err:
        raise ProtocolError(f"a parameter of the call does not fit: {err}", "bad_field") from err
