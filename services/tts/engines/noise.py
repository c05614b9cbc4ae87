"""Noise that a graph draws, made to depend on its text alone: the same words sound the same again.

VITS draws from noise how long its phonemes are, and how they sound
(https://arxiv.org/abs/2106.06103, section 2). onnxruntime's generators run on from call to call and
differ between processes. A worker that takes a turn over has to make the very audio that another
one had begun, so the nodes that draw are replaced by ones that read from a table; where they begin
in it is an input of the graph.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

PLACE: Final = "noise_place"
"""Name of the input that says where in the table the graph begins to read."""

_DRAWS: Final = "RandomNormalLike"
_TABLE: Final = "noise_table"
_SIZE: Final = "noise_size"
_ONE: Final = "noise_one"
_VALUES: Final = 1 << 18
_SEED: Final = 20_171


def settle(model: onnx.ModelProto) -> bool:
    """Replace the nodes that draw noise; return whether there were any.

    Args:
        model: Changed in place.
    """
    graph = model.graph
    drawing = [node for node in graph.node if node.op_type == _DRAWS]
    for number, node in enumerate(drawing):
        at = list(graph.node).index(node)
        graph.node.remove(node)
        for added in reversed(_reading(node, f"noise_{number}")):
            graph.node.insert(at, added)
    if not drawing:
        return False
    table = np.random.default_rng(_SEED).standard_normal(_VALUES, np.float32)
    for name, value in ((_TABLE, table), (_SIZE, np.int64(_VALUES)), (_ONE, np.int64(1))):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph.input.append(helper.make_tensor_value_info(PLACE, onnx.TensorProto.INT64, []))
    return True


def place(ids: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return where in the table the noise of some phonemes begins."""
    return np.array(zlib.crc32(ids.astype(np.int64).tobytes()) % _VALUES, np.int64)


def _reading(node: onnx.NodeProto, name: str) -> list[onnx.NodeProto]:
    """Return nodes that read as many values as ``node`` drew, round and round the table."""
    (like,), (drawn,) = node.input, node.output

    def make(kind: str, inputs: list[str], output: str) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], f"{name}/{output}")

    return [
        make("Size", [like], f"{name}_count"),
        make("Add", [PLACE, f"{name}_count"], f"{name}_end"),
        make("Range", [PLACE, f"{name}_end", _ONE], f"{name}_run"),
        make("Mod", [f"{name}_run", _SIZE], f"{name}_places"),
        make("Gather", [_TABLE, f"{name}_places"], f"{name}_values"),
        make("Shape", [like], f"{name}_shape"),
        make("Reshape", [f"{name}_values", f"{name}_shape"], drawn),
    ]
