"""Which files of tests share a system: of several processes, one runs them all, and first.

So there is one of each system, and it ends with the last test that wants it. All other files go to
whichever process is free.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
WAITING = frozenset({"bridges", "e2e", "faults", "voicebus"})


@cache
def shared_by(file: Path) -> Path | None:
    """Return the folder with whose other files a file shares fixtures; None for none."""
    for folder in file.parents:
        if not folder.is_relative_to(TESTS):
            return None
        asks = _asks_for_shared(folder / "conftest.py")
        if asks is not None and asks.search(file.read_text(encoding="utf-8")):
            return folder
    return None


def waits(file: Path) -> bool:
    """Return whether its tests wait more than they compute: for processes, and for deadlines.

    With others beside and behind them no core is idle, neither in the middle nor at the end.
    """
    return file.relative_to(TESTS).parts[0] in WAITING


def group_of(file: Path) -> Path:
    """Return what is run by one process: a file, or those of a folder that share."""
    return shared_by(file) or file


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Gives each group to one process, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return str(group_of(self.config.rootpath / nodeid.split("::", 1)[0]))


def scheduling(config: pytest.Config, log: Any) -> Sharing:
    """Return the scheduler; the groups are in their order already."""
    config.option.loadscopereorder = False
    return Sharing(config, log)


def _asks_for_shared(conftest: Path) -> re.Pattern[str] | None:
    """Return how a test asks for what the folder's ``conftest.py`` keeps; None for nothing."""
    text = conftest.read_text(encoding="utf-8") if conftest.exists() else ""
    if 'scope="package"' not in text:
        return None
    names = re.findall(r"^(?:async )?def (\w+)", text, re.MULTILINE)
    return re.compile(rf"\b({'|'.join(names)}): ")
