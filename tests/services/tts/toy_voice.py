"""A Piper voice that says one value for each phoneme, twice as loud for each further speaker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.models import model_path

HOP = 256


def toy_voice(
    folder: Path, *, speakers: dict[str, int] | None = None, rate_hz: int = 22_050
) -> Path:
    """Write a voice that is loaded in no time; return its folder."""
    (config,) = model_path("piper-en_US-joe-medium").glob("*.onnx.json")
    told = json.loads(config.read_text(encoding="utf-8"))
    told["audio"]["sample_rate"] = rate_hz
    told["num_speakers"] = len(speakers or {"": 0})
    told["speaker_id_map"] = speakers or {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.onnx.json").write_text(json.dumps(told), encoding="utf-8")
    onnx.save(_graph(with_speakers=speakers is not None), folder / "toy.onnx")
    return folder


def _graph(*, with_speakers: bool) -> onnx.ModelProto:
    """Of each phoneme a hop of 0.1, louder by the noise that is asked for, times the speaker."""
    constants: dict[str, NDArray[Any]] = {
        "hop": np.array([HOP], np.int64),
        "one": np.array([1.0], np.float32),
        "level": np.array([0.05], np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("Gather", ["shape", "second"], ["count"]),
        helper.make_node("Mul", ["count", "hop"], ["samples"]),
        helper.make_node("Gather", ["scales", "first"], ["noise"]),
        helper.make_node("Add", ["noise", "one"], ["loud"]),
        helper.make_node("Mul", ["loud", "level"], ["quiet"]),
    ]
    value = "quiet"
    if with_speakers:
        nodes += [
            helper.make_node("Cast", ["sid"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["number", "one"], ["times"]),
            helper.make_node("Mul", ["quiet", "times"], ["spoken"]),
        ]
        value = "spoken"
    nodes.append(helper.make_node("Expand", [value, "samples"], ["output"]))
    taken = helper.make_tensor_value_info
    inputs = [
        taken("input", TensorProto.INT64, [1, "phonemes"]),
        taken("input_lengths", TensorProto.INT64, [1]),
        taken("scales", TensorProto.FLOAT, [3]),
    ]
    if with_speakers:
        inputs.append(taken("sid", TensorProto.INT64, [1]))
    graph = helper.make_graph(
        nodes,
        "toy",
        inputs,
        [taken("output", TensorProto.FLOAT, ["samples"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
