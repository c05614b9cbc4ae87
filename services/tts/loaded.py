"""What is loaded when it is needed, and dropped when others need the memory. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Loaded(Generic[T]):
    """Keeps what was used last, as far as it fits. Belongs to one thread.

    Args:
        limit_bytes: Of all together; what is larger by itself is kept alone.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    @property
    def size_bytes(self) -> int:
        """How much is kept."""
        return sum(size for _, size in self._kept.values())

    def get(self, name: str, size_bytes: int, load: Callable[[], T]) -> T:
        """Return what has this name; load it if it is not there, in the place of what is unused.

        Args:
            name: Its name.
            size_bytes: How much it takes.
            load: Makes it; whatever it raises is raised, and others stay.
        """
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name][0]
        made = load()
        while self._kept and self.size_bytes + size_bytes > self._limit_bytes:
            self._kept.popitem(last=False)
        self._kept[name] = made, size_bytes
        return made
