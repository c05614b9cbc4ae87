"""What was published, and how much of it is stored. Pure."""

from __future__ import annotations


class Publications:
    """How many publications are stored without a gap, in whatever order they become so.

    Attributes:
        issued: How many there are.
        stored: Up to which one all are stored. One that was refused is never passed.
    """

    def __init__(self) -> None:
        self.issued = 0
        self.stored = 0
        self._ahead: set[int] = set()
        self._refused: int | None = None

    def issue(self) -> int:
        """Return the number of the next one."""
        self.issued += 1
        return self.issued

    def settle(self, number: int) -> None:
        """One was stored."""
        if self._refused is not None and number > self._refused:
            return
        self._ahead.add(number)
        while self.stored + 1 in self._ahead:
            self.stored += 1
            self._ahead.remove(self.stored)

    def refuse(self, number: int) -> None:
        """One was not stored, and will not be."""
        self._refused = number if self._refused is None else min(number, self._refused)
        self._ahead = {ahead for ahead in self._ahead if ahead < self._refused}
