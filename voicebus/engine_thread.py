"""The thread of a library that blocks, which knows for how long.

A call into a library cannot be cancelled. One that never returns holds its thread, and with it
every session of the worker; all that helps is to give the sessions away and to end the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from msgspec import Struct

P = ParamSpec("P")
T = TypeVar("T")

STUCK_S: Final = 60.0
"""No call lasts this long, on the slowest machine: recognition of a window, a sentence's voice."""


class Hang(Struct, frozen=True):
    """A call into a library that does not return.

    Fields
        what: Names the thread, for people.
        owners: For whom the call was made; empty where that is not known.
    """

    what: str
    owners: frozenset[Hashable] = frozenset()

    def is_due_to(self, owner: Hashable) -> bool:
        """Whether this owner's work may be what never ends: where nobody knows, anybody's may."""
        return not self.owners or owner in self.owners


class EngineThread(ThreadPoolExecutor):
    """One thread, in which calls follow each other.

    Args:
        name: What it does, for people.
    """

    def __init__(self, name: str) -> None:
        super().__init__(1, thread_name_prefix=name)
        self._name = name
        self._running: tuple[float, frozenset[Hashable]] | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in the thread, after those that were submitted before."""
        return self.submit_for((), fn, *args, **kwargs)

    def submit_for(
        self,
        owners: Iterable[Hashable],
        fn: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Have a function called as :meth:`submit` does, and know for whom should it hang."""
        known = frozenset(owners)

        def timed() -> T:
            self._running = (time.monotonic(), known)
            try:
                return fn(*args, **kwargs)
            finally:
                self._running = None

        return super().submit(timed)

    def stuck(self, since_s: float) -> Hang | None:
        """Return the present call when it has lasted too long.

        Args:
            since_s: Time before this does not count: the process was stopped, not the call stuck.
        """
        if (running := self._running) is None:
            return None
        begun_s, owners = running
        if time.monotonic() - max(begun_s, since_s) <= STUCK_S:
            return None
        return Hang(self._name, owners)
