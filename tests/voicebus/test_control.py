"""Orders from a command to the process that runs everything."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from voicebus import control
from voicebus.control import Tell, listening, order, socket_in
from voicebus.errors import ConfigError


async def obey(words: Sequence[str], tell: Tell) -> None:
    """Tell of each word; one of them is refused."""
    for word in words:
        if word == "no":
            raise ConfigError("this is not done")
        tell(f"did {word}")


async def test_an_order_is_carried_out_and_told_of(tmp_path: Path) -> None:
    """Line by line, words with spaces among them."""
    told: list[str] = []
    async with listening(tmp_path, obey):
        done = await order(tmp_path, ["restart", "two words"], told.append)

    assert done
    assert told == ["did restart", "did two words"]


async def test_an_order_that_fails_says_why(tmp_path: Path) -> None:
    """And what was done until then."""
    told: list[str] = []
    async with listening(tmp_path, obey):
        done = await order(tmp_path, ["restart", "no"], told.append)
        again = await order(tmp_path, ["restart"], told.append)

    assert not done
    assert told == ["did restart", "failed: this is not done", "did restart"]
    assert again


async def test_orders_wait_for_each_other(tmp_path: Path) -> None:
    """Two rolling restarts at once would leave a stage without a worker."""
    running, most = 0, 0

    async def slow(_: Sequence[str], __: Tell) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1

    async with listening(tmp_path, slow):
        await asyncio.gather(*(order(tmp_path, ["restart"], print) for _ in range(3)))

    assert most == 1


async def test_nobody_is_there(tmp_path: Path) -> None:
    """A clear error, also when one was killed and left its socket."""
    async with listening(tmp_path, obey):
        pass
    with pytest.raises(ConfigError, match="no `voicebus up` runs"):
        await order(tmp_path, ["restart"], print)


async def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    """Others on the machine give no orders; and nothing is left behind."""
    async with listening(tmp_path, obey):
        mode = socket_in(tmp_path).stat().st_mode

    assert stat.S_IMODE(mode) == 0o700
    assert not socket_in(tmp_path).exists()


def test_a_path_that_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own error would name no setting."""
    monkeypatch.setattr(control, "_LONGEST", 3)

    with pytest.raises(ConfigError, match="VOICEBUS_UP_DATA_DIR"):
        socket_in(tmp_path)
