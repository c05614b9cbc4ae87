"""Work of which only so much may be done at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from voicebus.errors import Busy

_RETRY_S: Final = 10.0


class Places:
    """Counts what is in work. One per process and kind of work."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def place(self, limit: int) -> Iterator[None]:
        """Take a place while the context lasts.

        Args:
            limit: How many there are.

        Raises:
            Busy: None is free.
        """
        if self._taken >= limit:
            raise Busy("this server has as much of this to do as it may; try again", _RETRY_S)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
