"""What calls consist of, whatever protocol carries them."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from voicebus.audio.codec import Sound

Frame = str | bytes
"""A text frame or a binary one; of a byte stream, bytes."""


class Begun(Struct, frozen=True, kw_only=True):
    """The call is there, and how it sounds is known.

    Fields
        sound: What audio is, in both directions.
        call: The exchange's name of the call, for logs.
        caller: Number of who calls; empty where it is not told.
        called: Number that was called; empty where it is not told.
        parameters: What the exchange was told to pass on.
    """

    sound: Sound
    call: str = ""
    caller: str = ""
    called: str = ""
    parameters: dict[str, str] = {}


class Spoken(Struct, frozen=True):
    """Audio of the caller.

    Fields
        data: As it came.
        sound: What it is.
        number: Counts the pieces from wherever it likes; -1 where they are not counted.
        at_ms: Where it begins in the call; -1 where that is not told.
    """

    data: bytes
    sound: Sound
    number: int = -1
    at_ms: int = -1


class Pressed(Struct, frozen=True):
    """The caller pressed a key.

    Fields
        digit: ``0`` to ``9``, ``*``, ``#`` and ``A`` to ``D``.
    """

    digit: str


class Reached(Struct, frozen=True):
    """The caller has heard all up to a mark.

    Fields
        mark: Its name.
    """

    mark: str


class Throttled(Struct, frozen=True):
    """The exchange can take nothing more for a while."""


class Unthrottled(Struct, frozen=True):
    """It can again."""


class HungUp(Struct, frozen=True):
    """The call is over.

    Fields
        reason: ``client``, or ``failed`` where the exchange says that something is wrong.
    """

    reason: str = "client"


Happening = Begun | Spoken | Pressed | Reached | Throttled | Unthrottled | HungUp

KEYS = frozenset("0123456789*#ABCD")
"""The keys of a telephone."""


class Wire(Protocol):
    """One call's protocol: frames to happenings, and back. Pure.

    What it gives out for an exchange that lacks something (marks, clearing) is nothing.

    Attributes:
        frame_ms: Length of the pieces in which audio is sent.
        is_steady: Whether there has to be audio all the time.
        has_marks: Whether it tells when a mark is reached.
    """

    frame_ms: int
    is_steady: bool
    has_marks: bool

    def received(self, frame: Frame) -> list[Happening]:
        """Take what the exchange sent.

        Raises:
            ProtocolError: It breaks the rules of its protocol; the call is of no more use.
        """
        ...

    def assume(self) -> list[Happening]:
        """Begin by what is known, if that is enough: the exchange has been silent for a while."""
        ...

    def audio(self, data: bytes) -> Frame:
        """Return audio, in the sound of the call, as it is sent."""
        ...

    def mark(self, name: str) -> list[Frame]:
        """Return what asks to be told when all before it was heard."""
        ...

    def clear(self) -> list[Frame]:
        """Return what makes the exchange forget what it has not played."""
        ...

    def hang_up(self) -> list[Frame]:
        """Return what ends the call, before the connection is closed."""
        ...
