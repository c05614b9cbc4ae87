"""The functions that need no server: what every assistant can do. Pure but for the clock."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from schemas.llm import Tool
from schemas.persona import Tools
from schemas.turn import HangUp
from services.turn.calling import Function, Functions

Clock = Callable[[], datetime.datetime]
"""Returns the time, with its zone."""

_ZONE: Final = (
    '{"type":"object","properties":{"zone":{"type":"string","description":"IANA time zone, such as '
    'Europe/Berlin; left out: UTC"}},"additionalProperties":false}'
)
_FACT: Final = (
    '{"type":"object","properties":{"fact":{"type":"string","description":"In a short sentence"}},'
    '"required":["fact"],"additionalProperties":false}'
)
_FACT_CHARS: Final = 300
_NOTHING: Final = '{"type":"object","properties":{},"additionalProperties":false}'

TIME: Final = "time"
HANG_UP: Final = "hang_up"
TRANSFER: Final = "transfer"
REMEMBER: Final = "remember"

NAMES: Final = (TIME, HANG_UP, TRANSFER, REMEMBER)
"""Of all of them."""


S = TypeVar("S", bound=Struct)


class _Zone(Struct):
    zone: str = ""


class _Fact(Struct):
    fact: str = ""


class _To(Struct):
    to: str = ""


class House:
    """The functions of the house, for one session.

    Args:
        tools: What its persona allows.
        clock: Tells the time.
        keeps: Whether the session belongs to a conversation, which can remember things.
    """

    def __init__(self, tools: Tools, clock: Clock, *, keeps: bool = False) -> None:
        self._tools = tools
        self._clock = clock
        self._keeps = keeps

    def functions(self) -> Functions:
        """Return what the model may ask for, as it is told of it."""
        told = {
            TIME: Tool(
                name=TIME,
                description="Returns the current date, time and day of the week.",
                parameters=_ZONE,
            ),
            HANG_UP: Tool(
                name=HANG_UP,
                description="Ends the call, once what you say next was heard. Say goodbye.",
                parameters=_NOTHING,
            ),
        }
        if self._keeps:
            told[REMEMBER] = Tool(
                name=REMEMBER,
                description="Keeps a fact about the user for later conversations.",
                parameters=_FACT,
            )
        if self._tools.transfer_to:
            told[TRANSFER] = Tool(
                name=TRANSFER,
                description="Passes the call on, once what you say next was heard.",
                parameters=_to(self._tools.transfer_to),
            )
        return {
            name: Function(tool=tool) for name, tool in told.items() if name in self._tools.allow
        }

    def call(self, name: str, arguments: str) -> str:
        """Do what was asked for; return what the model is told."""
        told = f"error: there is no function {name!r}"
        match name:
            case "time":
                told = self._time(arguments)
            case "hang_up":
                told = "The call ends when you have said goodbye."
            case "remember":
                is_fact = self.fact(name, arguments)
                told = "Remembered." if is_fact else f"error: at most {_FACT_CHARS} characters"
            case "transfer" if self.ending(name, arguments) is not None:
                told = "The call is passed on when you have said so."
            case "transfer":
                told = f"error: `to` must be one of {', '.join(self._tools.transfer_to)}"
        return told

    def ending(self, name: str, arguments: str) -> HangUp | None:
        """Return how the session ends with a call; None: it does not."""
        if name not in self._tools.allow:
            return None
        if name == HANG_UP:
            return HangUp(reason="assistant")
        to = _decoded(arguments, _To).to if name == TRANSFER else ""
        return HangUp(reason="transfer", to=to) if to in self._tools.transfer_to else None

    def fact(self, name: str, arguments: str) -> str:
        """Return what a call wants to be remembered; empty for nothing."""
        if not self._keeps or name != REMEMBER or name not in self._tools.allow:
            return ""
        fact = " ".join(_decoded(arguments, _Fact).fact.split())
        return fact if len(fact) <= _FACT_CHARS else ""

    def _time(self, arguments: str) -> str:
        zone = _decoded(arguments, _Zone).zone or "UTC"
        try:
            now = self._clock().astimezone(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return f"error: there is no time zone {zone!r}"
        return f"{now:%A, %d %B %Y, %H:%M} ({zone})"


def _to(places: tuple[str, ...]) -> str:
    schema = {
        "type": "object",
        "properties": {"to": {"type": "string", "enum": places}},
        "required": ["to"],
        "additionalProperties": False,
    }
    return msgspec.json.encode(schema).decode()


def _decoded(arguments: str, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(arguments or "{}", type=kind)
    except (msgspec.DecodeError, RecursionError):
        return kind()
