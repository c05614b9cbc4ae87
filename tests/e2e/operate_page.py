"""The steps of docs/howto/operate.md, as the page has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from voicebus.parts import project_root

PAGE: Final = project_root() / "docs" / "howto" / "operate.md"
_STEP: Final = re.compile(r"^<!-- step: (\w+), (.+) -->\n(?:\n    (.+)\n)?", re.MULTILINE)
_MOMENT: Final = re.compile(r"^\*(.+?)\*", re.MULTILINE)
_PANEL: Final = re.compile(r'panel: (\S+) "(.+)", (\w+) (over|under) ([\d.]+)(?: s)?')


@dataclass(frozen=True)
class Look:
    """A panel that is looked at.

    Attributes:
        dashboard: Its dashboard.
        title: What stands above it.
        line: Which of its lines or bars.
        over: Whether that one is above a value, and above all others but the wait for the end of
            the turn; else it is below.
        value: That value, in the panel's unit.
    """

    dashboard: str
    title: str
    line: str
    over: bool
    value: float


@dataclass(frozen=True)
class Step:
    """A step of the page.

    Attributes:
        part: What is broken.
        does: What the page's comment says.
        command: What is typed; empty for none.
        moment: ``Break it``, ``Find it`` and so on: what the reader is at.
    """

    part: str
    does: str
    command: str
    moment: str

    @property
    def shows(self) -> str:
        """The pattern that is found in what it prints; empty for none."""
        return re.split(", lacks: |, exits: ", self.does.removeprefix("shows: "))[0]

    @property
    def lacks(self) -> str:
        """The pattern that is not in it; empty for none."""
        return self.does.partition(", lacks: ")[2].partition(", exits: ")[0]

    @property
    def exits(self) -> int:
        """The exit code; a load that was void on a slow machine is as good."""
        return int(self.does.rpartition("exits: ")[2]) if "exits: " in self.does else 0

    @property
    def look(self) -> Look | None:
        """The panel that is looked at; None where something is typed."""
        found = _PANEL.fullmatch(self.does)
        if found is None:
            return None
        return Look(found[1], found[2], found[3], found[4] == "over", float(found[5]))

    def is_shown(self, printed: str) -> bool:
        """Whether that was printed which the page says."""
        lacking = not self.lacks or not re.search(self.lacks, printed, re.MULTILINE)
        return lacking and re.search(self.shows, printed, re.MULTILINE) is not None


def steps() -> list[Step]:
    """Read the page."""
    page, found = PAGE.read_text(encoding="utf-8"), []
    for step in _STEP.finditer(page):
        moments = _MOMENT.findall(page, page.rfind("\n## ", 0, step.start()), step.start())
        command = step[3] or ""
        found.append(Step(step[1], step[2], command, moments[-1] if moments else ""))
    return found
