"""docs/security.md says how to run a bus with users; what stands there works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from subjects.permissions import OPERATORS, SYSTEM
from subjects.streams import ROLES
from tests.certificates import Authority
from tests.nats_server import CONFIG, nats_server_binary
from voicebus import credentials

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_server_accepts_the_configuration_of_the_page(tmp_path: Path) -> None:
    """As it stands there, with users and certificates of those names beside it."""
    block = next(b for b in re.findall(r"```\n(.+?)```", PAGE.read_text(), re.S) if "tls {" in b)
    authority = Authority(tmp_path, "ca")
    authority.issue("n1", "n1")
    credentials.create(tmp_path / "users", "local", ("web1",))
    (tmp_path / "nats.conf").write_text(CONFIG.read_text())
    (tmp_path / "n1.conf").write_text(block)

    done = subprocess.run(
        [nats_server_binary(), "-t", "-c", "n1.conf"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert "is valid" in done.stderr, done.stderr


def test_the_page_has_a_row_for_every_user() -> None:
    """And for no user that there is not."""
    rows = re.findall(r"^\| `([a-zA-Z-]+)` \| .+ \| .+ \| .+ \| .+ \|$", PAGE.read_text(), re.M)

    assert set(rows) == {*ROLES, *OPERATORS, SYSTEM, "edge-NAME", "telegram-NAME"}


def test_the_page_names_tests_that_there_are() -> None:
    """A promise without its test would be one."""
    named = re.findall(r"`(test_\w+\.py)`", PAGE.read_text())

    assert named
    assert [name for name in named if not (Path(__file__).parent / name).exists()] == []
