"""What all calls of a process share."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from edge.telephony.metronome import Metronome
from edge.telephony.settings import TelephonySettings
from edge.telephony.turnstile import Turnstile
from voicebus.sessions.sessions import Sessions

KIND: Final = "telephony"
"""Kind of client, for the log and the metrics."""


class Office(Struct, frozen=True, kw_only=True):
    """What all calls of a process share.

    Fields
        sessions: The edge's sessions.
        settings: Its settings.
        metronome: Gives them the time.
        turnstile: Where audio for them goes through one piece at a time.
    """

    sessions: Sessions
    settings: TelephonySettings
    metronome: Metronome
    turnstile: Turnstile
