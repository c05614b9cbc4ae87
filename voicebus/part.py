"""A child process of a system on one machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct


class Part(Struct, frozen=True, kw_only=True):
    """A child process.

    Fields
        name: For people.
        argv: Its command.
        environment: All of its environment.
        ready_url: Answers 200 once it is ready.
        shown_url: What people are told.
        stop_s: How long it may take to end when it is asked to; it is killed then.
        renewed: Makes the same part with an address of its own, to run beside this one; None where
            others know the address: such a part ends before it is started anew.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    ready_url: str
    shown_url: str = ""
    stop_s: float = 10.0
    renewed: Callable[[], Part] | None = None


class Departure(Struct, frozen=True, kw_only=True):
    """A process that was asked to end, and did.

    Fields
        asked_s: When, as ``time.monotonic`` has it.
        took_s: How long after that its process had ended.
    """

    asked_s: float
    took_s: float
