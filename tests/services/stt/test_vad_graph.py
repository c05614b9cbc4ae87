"""Silero's graph for stretches of windows gives the numbers of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from services.onnx import session
from services.stt.vad_graph import INPUT_SAMPLES, UNITS, Stepwise, Stretched, load
from tests.models import model_path
from tests.services.stt.speech import noise, recording, silence

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def file() -> Path:
    """The model."""
    return model_path("silero-vad") / "silero_vad.onnx"


def windows(*clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """Windows of several sessions side by side, as long as the shortest clip."""
    count = min(len(clip) for clip in clips) // INPUT_SAMPLES
    rows = [clip[: count * INPUT_SAMPLES].reshape(count, INPUT_SAMPLES) for clip in clips]
    return np.stack(rows, axis=1)


def state(sessions: int) -> NDArray[np.float32]:
    """What the model remembers at a session's beginning."""
    return np.zeros((2, sessions, UNITS), np.float32)


def test_the_models_graph_is_taken_apart(file: Path) -> None:
    """The version that the store has is one that can be."""
    assert isinstance(load(file), Stretched)


def test_a_stretch_has_the_numbers_of_its_windows(file: Path) -> None:
    """Speech, noise and silence, side by side and one after the other, in stretches of any size."""
    whole, stretched = Stepwise(session(file, threads=1)), load(file)
    given = windows(recording("leisure"), noise(8), silence(8))

    expected, last = whole.run(given, state(3))
    found, reached = stretched.run(given, state(3))
    parts, after = [], state(3)
    for begin in range(0, len(given), 7):
        part, after = stretched.run(given[begin : begin + 7], after)
        parts.append(part)

    assert np.ptp(expected[:, 0]) > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(reached, last, atol=1e-3)
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-4)


@pytest.mark.parametrize("damage", ["names", "numbers"])
def test_a_graph_of_another_make_is_used_as_it_is(file: Path, tmp_path: Path, damage: str) -> None:
    """Where a part has another name, or what is made of the parts differs, nothing is guessed."""
    model = onnx.load(file)
    branch = next(a.g for n in model.graph.node for a in n.attribute if a.name == "then_branch")
    renamed = {"names": "decoder.rnn.weight_hh", "numbers": "decoder.rnn.bias_ih"}[damage]
    node = next(n for n in branch.node if n.output and n.output[0].endswith(renamed))
    old = node.output[0]
    if damage == "names":
        new = old.replace("weight_hh", "recurrent")
        node.output[0] = new
    else:
        # A gate's bias that is added behind this one is not seen by who looks for names.
        new = f"{old}_louder"
        at = list(branch.node).index(node) + 1
        branch.node.insert(at, onnx.helper.make_node("Add", [old, old], [new]))
    for other in branch.node:
        if other.output and other.output[0] != new:
            _renamed(other, old, new)
    onnx.save(model, tmp_path / "other.onnx")

    assert isinstance(load(tmp_path / "other.onnx"), Stepwise)


def _renamed(node: onnx.NodeProto, old: str, new: str) -> None:
    """Let a node, and what is inside of it, read another tensor."""
    for place, name in enumerate(node.input):
        if name == old:
            node.input[place] = new
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _renamed(inner, old, new)
