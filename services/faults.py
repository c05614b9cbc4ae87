"""How the engines without a model go wrong on demand, for tests of what becomes of it.

An engine counts what it has made (tokens, pieces of audio, utterances) and asks its fault before
each: the fault strikes once so many are made, so that a test can break a worker at an exact point.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from msgspec import Struct

from voicebus.errors import EngineError


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"

    CRASH = "crash"
    """The process ends at once, as by SIGKILL: nothing is closed, told or sent."""

    FAIL = "fail"
    """The engine says that it failed."""

    HANG = "hang"
    """Nothing follows, and nothing is said."""

    SLOW = "slow"
    """Everything takes ten times as long."""

    GARBAGE = "garbage"
    """What follows is no language and no speech."""

    SILENCE = "silence"
    """It ends in good order, without what it should have made."""


SLOWNESS = 10.0
"""How much longer a slow engine takes."""


class FaultPlan(Struct, frozen=True, kw_only=True):
    """When what goes wrong.

    Fields
        fault: What goes wrong.
        after: How much is made before.
        text: Strikes only where this is in the text that is worked on; empty for everywhere.
    """

    fault: Fault = Fault.NONE
    after: int = 0
    text: str = ""

    def due(self, made: int, text: str) -> Fault:
        """Return what goes wrong now, if anything; does not return where the process is to end.

        Args:
            made: How much is made so far.
            text: What is worked on.

        Raises:
            EngineError: The engine is to fail.
        """
        if made < self.after or self.text not in text:
            return Fault.NONE
        if self.fault is Fault.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault is Fault.FAIL:
            raise EngineError("The engine was told to fail.")
        return self.fault


NO_FAULT = FaultPlan()
