"""Settings of the turn worker: ``VOICEBUS_TURN_…``."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from voicebus.prompts import INSTRUCTIONS

SCOPE = "TURN_"


class TurnSettings(Struct, frozen=True, kw_only=True):
    """How conversations are led.

    Fields
        slots: Conversations that one worker holds at once.
        instructions: System prompt of sessions that bring none.
        history_chars: How much of a conversation the model is told.
        summaries: ``on`` for sessions whose persona does not say otherwise: what such a chat has no
            room for any more is kept in short, as the language model tells it.
        speculations: How often in a turn an answer is begun before it is certain that the caller
            has finished; 0 for never.
        ahead_s: How far synthesis may be ahead of playback.
        kept_turns: Turns of a conversation that other sessions may know of, the newest.
        kept_chars: How many characters of them.
        codes_per_min: Link codes that one edge or bridge may try in a minute, at each worker; 0:
            no limit.
        personas_dir: Folder of the personas, a file NAME.md for each; those that are not there
            are looked for in the bucket on the bus. Empty: there is no folder.
        stall_s: A reply on which nobody made progress for this long is given up.
    """

    slots: int = 256
    instructions: str = INSTRUCTIONS
    history_chars: int = 4_000
    summaries: Literal["on", "off"] = "off"
    speculations: int = 3
    ahead_s: float = 5.0
    kept_turns: int = 100
    kept_chars: int = 32_000
    codes_per_min: int = 120
    personas_dir: str = ""
    stall_s: float = 30.0
