"""Who is not let in: counted the same way at both doors."""

from __future__ import annotations

from typing import Final

import structlog

from edge import wire
from edge.telephony.office import KIND
from voicebus import channel_metrics, metrics
from voicebus.errors import VoicebusError

log: Final = structlog.get_logger()


def note_refusal(err: VoicebusError, protocol: str) -> str:
    """Count and log that a connection is not let in; return why, in one word.

    Args:
        err: Why.
        protocol: What the exchange was to speak; a label of metrics.
    """
    code = str(wire.error(err)["code"])
    # By protocol for who looks at telephones, by kind of client for who is woken by either.
    channel_metrics.TELEPHONY_REFUSED.labels(protocol, code).inc()
    metrics.CLIENT_ERRORS.labels(KIND, code).inc()
    log.info("client.refused", protocol=protocol, code=code)
    return code
