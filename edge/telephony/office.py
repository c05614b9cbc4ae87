"""What all calls of a process share."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec import Struct

from edge.telephony.metronome import Metronome
from edge.telephony.settings import TelephonySettings
from voicebus.sessions.sessions import Sessions

KIND: Final = "telephony"
"""Kind of client, for the log and the metrics."""


class Office(Struct, frozen=True, kw_only=True):
    """What all calls of a process share.

    Fields
        sessions: The edge's sessions.
        settings: Its settings.
        metronome: Gives them the time.
        turnstile: Lets one piece of audio through in each round of the loop: what comes for all
            calls at once would otherwise hold up the metronome until all of it is coded.
    """

    sessions: Sessions
    settings: TelephonySettings
    metronome: Metronome
    turnstile: asyncio.Lock
