"""What ``voicebus autoscale`` is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from voicebus import autoscale
from voicebus.autoscale import bounds_of
from voicebus.errors import ConfigError
from voicebus.scaling import Bounds


def test_a_role_has_two_limits() -> None:
    """At least and at most."""
    assert bounds_of("stt=1:4") == Bounds("stt", 1, 4)
    assert bounds_of("tts=0:1") == Bounds("tts", 0, 1)


@pytest.mark.parametrize(
    "text", ["stt", "stt=4", "stt=a:b", "stt=-1:2", "stt=3:2", "stt=0:0", "ear=1:2", ""]
)
def test_anything_else_is_refused(text: str) -> None:
    """With an example of what is wanted, or the reason."""
    with pytest.raises(ConfigError, match=r"stt=1:4|cannot be"):
        bounds_of(text)


async def test_language_models_are_reached_by_their_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server that `voicebus up` embeds has one that nobody else knows: that is said at once."""
    monkeypatch.setenv("VOICEBUS_UP_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("VOICEBUS_LLM_URL", raising=False)

    with pytest.raises(ConfigError, match="VOICEBUS_LLM_URL"):
        await autoscale.main(asyncio.Event(), [Bounds("llm", 1, 2)])
