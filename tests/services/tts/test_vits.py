"""A voice in two halves says what the whole one says."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.onnx import session
from services.tts.engines.vits import FIRST_FRAMES, Feed, Halves, Synthesis, Whole, load, spans
from tests.models import model_path

HOP = 256


def graph_file() -> Path:
    """The voice that comes with the system."""
    return next(model_path("piper-en_US-joe-medium").glob("*.onnx"))


def feed(phonemes: int) -> Feed:
    """Phonemes by chance, and no noise: the same frames each time."""
    ids = np.random.default_rng(1).integers(3, 60, phonemes)
    return {
        "input": ids[None].astype(np.int64),
        "input_lengths": np.array([phonemes], np.int64),
        "scales": np.array([0.0, 1.0, 0.0], np.float32),
    }


@pytest.fixture(scope="module")
def halves() -> Synthesis:
    """That voice, cut in two."""
    return load(graph_file(), 1, HOP)


@pytest.fixture(scope="module")
def whole() -> Whole:
    """That voice as it is."""
    return Whole(session(graph_file(), 1))


@pytest.mark.parametrize(
    ("frames", "ends"),
    [
        (0, []),
        (1, [1]),
        (FIRST_FRAMES, [24]),
        (2 * FIRST_FRAMES - 1, [47]),
        (2 * FIRST_FRAMES, [24, 48]),
        (200, [24, 72, 168, 200]),
        (190, [24, 72, 190]),
        (600, [24, 72, 168, 360, 552, 600]),
    ],
)
def test_pieces_grow(frames: int, ends: list[int]) -> None:
    """The first one is short, and none is shorter than it, unless it is the only one."""
    assert [end for _, end in spans(frames)] == ends


@given(st.integers(1, 5_000))
def test_pieces_are_the_whole(frames: int) -> None:
    """They follow each other without gaps."""
    pieces = list(spans(frames))

    assert (pieces[0][0], pieces[-1][1]) == (0, frames)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))


@pytest.mark.model
@pytest.mark.parametrize("phonemes", [3, 20, 120])
def test_halves_say_what_the_whole_says(halves: Synthesis, whole: Whole, phonemes: int) -> None:
    """Sample by sample, whatever the length, and as many as announced."""
    count, pieces = halves.start(feed(phonemes))
    said = np.concatenate(list(pieces))
    (_, (expected,)) = whole.start(feed(phonemes))

    assert isinstance(halves, Halves)
    assert len(said) == len(expected) == count
    assert np.abs(said - expected).max() < 1e-4


@pytest.mark.model
def test_a_voice_of_several_speakers_is_told_who_speaks(tmp_path: Path) -> None:
    """Both halves of it depend on the speaker."""
    model = onnx.load(graph_file())
    graph = model.graph
    first = next(node for node in graph.node if "dec.conv_pre.weight" in node.input)
    (weight,) = (t for t in graph.initializer if t.name == "dec.conv_pre.weight")
    timbre = np.linspace(-1, 1, 2 * weight.dims[0], dtype=np.float32).reshape(2, -1, 1)
    graph.initializer.append(onnx.numpy_helper.from_array(timbre, "timbre"))
    graph.input.append(onnx.helper.make_tensor_value_info("who", onnx.TensorProto.INT64, [1]))
    at = list(graph.node).index(first) + 1
    made, first.output[0] = first.output[0], "before the speaker"
    graph.node.insert(at, onnx.helper.make_node("Gather", ["timbre", "who"], ["speaker"], axis=0))
    added = onnx.helper.make_node("Add", ["before the speaker", "speaker"], [made])
    graph.node.insert(at + 1, added)
    onnx.save(model, tmp_path / "voice.onnx")
    voice = load(tmp_path / "voice.onnx", 1, HOP)
    whole = Whole(session(tmp_path / "voice.onnx", 1))

    for speaker in (0, 1):
        asked = {**feed(40), "who": np.array([speaker], np.int64)}
        _, pieces = voice.start(asked)
        (_, (expected,)) = whole.start(asked)
        assert np.abs(np.concatenate(list(pieces)) - expected).max() < 1e-4

    assert isinstance(voice, Halves)


@pytest.mark.model
def test_a_graph_of_another_kind_speaks_in_one_piece(tmp_path: Path) -> None:
    """Nothing is known of where it could be cut."""
    model = onnx.load(graph_file())
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.replace("dec.", "other.")
    for node in model.graph.node:
        node.input[:] = [name.replace("dec.", "other.") for name in node.input]
    onnx.save(model, tmp_path / "voice.onnx")

    voice = load(tmp_path / "voice.onnx", 1, HOP)
    count, pieces = voice.start(feed(20))

    assert [len(piece) for piece in pieces] == [count]
