"""What is to happen when nothing happens: names and times. Has no clock of its own."""

from __future__ import annotations


class Deadlines:
    """Named points in time, in milliseconds of the owner's clock."""

    def __init__(self) -> None:
        self._due_ms: dict[str, float] = {}

    @property
    def next_ms(self) -> float | None:
        """When the earliest is due; None when nothing is."""
        return min(self._due_ms.values(), default=None)

    def __contains__(self, name: str) -> bool:
        return name in self._due_ms

    def set(self, name: str, due_ms: float) -> None:
        """Set one, or set it anew."""
        self._due_ms[name] = due_ms

    def drop(self, *names: str) -> None:
        """Forget some, whether they are set or not."""
        for name in names:
            self._due_ms.pop(name, None)

    def take_due(self, now_ms: float) -> str | None:
        """Take the earliest out and return its name, if it is due."""
        name = min(self._due_ms, key=self._due_ms.__getitem__, default=None)
        if name is None or self._due_ms[name] > now_ms:
            return None
        del self._due_ms[name]
        return name
