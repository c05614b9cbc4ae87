"""The logs of a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import structlog
from voicebus import log
from voicebus.settings import ProcessSettings
log.configure(ProcessSettings({settings}), "stt")
structlog.contextvars.bind_contextvars(session="s1")
logger = structlog.get_logger()
logger.debug("text.heard", text="secret")
logger.info("claim.taken", role="stt")
try:
    raise ValueError("a bug")
except ValueError:
    logger.exception("claim.crashed")
"""


def logged(settings: str) -> tuple[str, str]:
    """Standard output and standard error of a process that logs."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(settings=settings)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("settings", ["log_format='json'", ""], ids=["json", "no terminal"])
def test_a_line_is_an_object_with_part_and_session(settings: str) -> None:
    """Where nobody looks at a terminal, programs read the log."""
    output, log = logged(settings)
    taken, crashed = (json.loads(line) for line in log.splitlines())

    assert output == ""
    assert (taken["event"], taken["level"], taken["part"]) == ("claim.taken", "info", "stt")
    assert (taken["session"], taken["role"]) == ("s1", "stt")
    assert taken["timestamp"].endswith("Z")
    assert "ValueError: a bug" in crashed["exception"]


def test_what_was_said_is_in_no_log_above_debug() -> None:
    """Nobody's words are written down by accident."""
    _, log = logged("log_format='json'")
    _, everything = logged("log_format='json', log_level='debug'")

    assert "secret" not in log
    assert "secret" in everything


def test_the_level_is_that_of_the_settings() -> None:
    """Less is said when less is wanted."""
    _, log = logged("log_format='json', log_level='error'")

    assert [json.loads(line)["event"] for line in log.splitlines()] == ["claim.crashed"]


def test_people_get_lines_to_read() -> None:
    """On a console a line is text, with the traceback below."""
    _, log = logged("log_format='console'")

    assert "claim.taken" in log
    assert "ValueError" in log
    assert not log.startswith("{")
