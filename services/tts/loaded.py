"""What is loaded when it is needed, and dropped when others need the memory. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Loaded(Generic[T]):
    """Keeps what was used last, as far as it fits. Belongs to one event loop.

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

    def get(self, name: str) -> T | None:
        """Return what has this name, if it is there; it is used now."""
        if name not in self._kept:
            return None
        self._kept.move_to_end(name)
        return self._kept[name][0]

    def keep(self, name: str, size_bytes: int, made: T) -> None:
        """Take in what was loaded, in the place of what was not used for longest.

        Args:
            name: Its name.
            size_bytes: How much it takes.
            made: It.
        """
        self._kept.pop(name, None)
        while self._kept and self.size_bytes + size_bytes > self._limit_bytes:
            self._kept.popitem(last=False)
        self._kept[name] = made, size_bytes
