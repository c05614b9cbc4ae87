"""Model files that are damaged: the worker says so and never says that it is ready."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.test_bad_settings import expect_refused, run
from tests.models import model_path

pytestmark = [pytest.mark.fault, pytest.mark.model]


def truncated(path: Path) -> None:
    """Leave the first half of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def flipped(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def overwritten(path: Path) -> None:
    """Keep the length and nothing else."""
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (truncated, "silero-vad is not complete"),
        (overwritten, "silero-vad is corrupt"),
        (flipped, "silero-vad is corrupt"),
    ],
)
def test_a_damaged_model_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    """The worker ends with a code, and names the model."""
    shutil.copytree(model_path("silero-vad"), tmp_path / "models" / "silero-vad")
    (file,) = (tmp_path / "models" / "silero-vad").glob("*.onnx")
    harm(file)
    given = {"MODELS_DIR": str(tmp_path / "models"), "STT_ENGINE": "synthetic"}

    expect_refused(run(tmp_path / "parts", ("worker", "stt"), **given), 1, named)
