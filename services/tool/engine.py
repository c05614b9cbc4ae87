"""What the tool worker needs from whoever has functions."""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct


class Result(Struct, frozen=True):
    """What came of a call.

    Fields
        content: For the model to read.
        failed: Whether the function could not do its work.
    """

    content: str
    failed: bool = False


class Engine(Protocol):
    """A server with functions."""

    async def call(
        self, name: str, arguments: dict[str, Any], call: str, timeout_s: float
    ) -> Result:
        """Call a function.

        Args:
            name: Its name.
            arguments: By their names.
            call: The same for the same call, whoever makes it: a server can tell by it that it has
                done this already.
            timeout_s: How long it may take.

        Raises:
            EngineUnavailable: The server cannot be reached: nothing was called.
            RequestRefused: It may not be called, or not so: nothing was.
            EngineTimeout: It took longer.
            EngineError: What came of it is not known: the answer is no result, or never came.
        """
