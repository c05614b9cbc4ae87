"""The settings that a page of docs/howto gives for another program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.system import System

HOWTO: Final = Path(__file__).parents[2] / "docs" / "howto"


def settings_of(page: str, system: System) -> dict[str, str]:
    """The variables of a page's block, with the address of a running system and any key."""
    text = (HOWTO / f"{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```ini\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in block.splitlines() if line and not line.startswith("#")]
    return {
        name: value.replace("http://127.0.0.1:8080", system.root).replace("vb_…", "none")
        for name, _, value in (line.partition("=") for line in lines)
    }
