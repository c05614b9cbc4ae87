"""A voice that is made of a sample, and a caller who is answered in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.e2e.client import connected
from tests.services.tts.tiny_xtts import tiny_xtts
from tests.system import SYNTHETIC, System
from voicebus.parts import project_root

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]
SAMPLES = project_root() / "examples" / "samples"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model."""
    return tiny_xtts(tmp_path_factory.mktemp("xtts") / "tiny")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[System]:
    """A system that speaks with it; nobody has added a voice yet."""
    chosen = {
        **SYNTHETIC,
        "LLM_SYNTHETIC_REPLY": "I am well.",
        "TTS_ENGINE": "xtts",
        "TTS_XTTS_MODEL": str(checkpoint),
        "TTS_XTTS_LICENCE": "CPML",
        "TTS_XTTS_DEVICE": "cpu",
    }
    with System(tmp_path_factory.mktemp("cloned"), chosen) as running:
        yield running


def add(system: System, checkpoint: Path, name: str, samples: str, *further: str) -> str:
    """Add a voice by the command, of these files; return what it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from voicebus.cli.main import main; raise SystemExit(main())"),
            *("voices", "add", name, *(str(SAMPLES / one) for one in samples.split())),
            *("--model", str(checkpoint)),
            *("--consent", "the recording is in the public domain", *further),
        ],
        env={**os.environ, **system.environment(), "PYTHONPATH": str(project_root())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return f"{done.returncode} {done.stdout.strip()} {done.stderr}"


async def answer(system: System, voice: str) -> tuple[NDArray[np.int16], list[str]]:
    """Ask something in writing; return what is heard, and what goes wrong."""
    async with connected(system, {"voice": voice}) as client:
        await client.send("text", text="How are you?")
        await client.until("turn_ended", within_s=120)
    return client.audio(), [message["code"] for message in client.messages("error")]


async def test_a_caller_is_answered_in_a_voice_that_was_made_meanwhile(
    system: System, checkpoint: Path
) -> None:
    """First there is none, and that is said; then there is one, without a restart."""
    _, errors = await answer(system, "anna")
    refused = add(system, checkpoint, "anna", "austen-leisure.wav")
    added = add(system, checkpoint, "anna", "austen-leisure.wav", "--accept-licence")
    again = add(system, checkpoint, "anna", "austen-amiable.wav", "--accept-licence")
    heard, fine = await answer(system, "anna")
    assert errors == ["unknown_voice"]
    assert refused.startswith("1 ")
    assert "licence of the weights has to be accepted" in refused
    assert added.startswith("0 anna ")
    assert "Coqui Public Model License" in added
    assert "there is a voice 'anna' already" in again
    assert fine == []
    assert np.abs(heard).max() > 0


async def test_each_caller_is_answered_in_the_voice_that_he_chose(
    system: System, checkpoint: Path
) -> None:
    """The same words sound the same in one voice, and otherwise in another one."""
    for name, samples in (
        ("berta", "austen-leisure.wav"),
        ("carl", "austen-amiable.wav austen-disposition.wav"),
    ):
        assert add(system, checkpoint, name, samples, "--accept-licence").startswith(f"0 {name} ")
    (berta, wrong), (carl, _), (again, _) = [
        await answer(system, voice) for voice in ("berta", "carl", "berta")
    ]

    assert wrong == []
    assert np.array_equal(berta, again)
    assert not np.array_equal(berta, carl)
    assert np.abs(carl).max() > 0
