"""Silero's graph, made anew so that a stretch of windows is one inference.

The model takes one window at a time. Nearly all of it are convolutions that look at that window
alone; only the small recurrent layer behind them needs what came before. Here all windows go
through the convolutions side by side, and through the recurrent layer one after the other, within
one call. And a convolution over four frames is written as a product of matrices, with the frames
of all windows in one of them: the numbers are those of the model, for a sixth of the time, and
for a third where many sessions bring a window each.

The model's file (https://github.com/snakers4/silero-vad, version 5 and later) holds a graph for
each sample rate; the weights are taken from there by the names that they have in the original.
Where one is missing, or the numbers are others, the file is used as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnx
import onnxruntime
import structlog
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from schemas.audio import CALLER_RATE_HZ
from services.onnx import session

log: Final = structlog.get_logger()

Floats = NDArray[np.float32]
Array = NDArray[Any]

UNITS: Final = 128
"""Width of the recurrent layer. Its state has the shape (2, b, 128)."""

INPUT_SAMPLES: Final = 576
"""A window of 512 samples behind the last 64 of the one before."""

_BRANCH: Final = "then_branch"
"""The graph for 16 kHz; the other one is for 8 kHz."""

_FRAMES: Final = 4
"""Of a window, each 256 samples long; two neighbours share a half."""

_FRAME_STEP: Final = 64
"""Half of the way from one frame to the next; so much is mirrored at a window's end."""

_CONVOLUTIONS: Final = ((4, 1), (4, 2), (2, 2), (1, 1))
"""How many frames each of them takes, and the step from one result to the next."""

_LAYER: Final = tuple(
    f"decoder.rnn.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
)

_NAMES: Final = (
    "stft.forward_basis_buffer",
    *(
        f"encoder.{number}.reparam_conv.{name}"
        for number in range(len(_CONVOLUTIONS))
        for name in ("weight", "bias")
    ),
    *_LAYER,
    "decoder.decoder.2.weight",
    "decoder.decoder.2.bias",
)

_PROBE: Final = (6, 2)
_SAME: Final = 1e-4


class Graph(Protocol):
    """Turns windows into probabilities."""

    def run(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities of consecutive windows of several sessions, and the new state.

        Args:
            windows: Shape (t, b, 576).
            state: Shape (2, b, 128).

        Returns:
            Shapes (t, b) and (2, b, 128).

        Raises:
            Exception: onnxruntime failed; its classes share only this root.
        """
        ...


class Stepwise:
    """The graph as it is in the file: one window of each session at a time."""

    def __init__(self, graph: onnxruntime.InferenceSession) -> None:
        self._graph = graph
        self._rate = np.array(CALLER_RATE_HZ, np.int64)

    def run(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        """See :meth:`Graph.run`."""
        found = np.empty(windows.shape[:2], np.float32)
        for step, window in enumerate(windows):
            feeds = {"input": window, "state": state, "sr": self._rate}
            output, state = self._graph.run(["output", "stateN"], feeds)
            found[step] = output[:, 0]
        return found, state


class Stretched:
    """The graph that was made of it: all windows at once."""

    def __init__(self, graph: onnxruntime.InferenceSession) -> None:
        self._graph = graph

    def run(self, windows: Floats, state: Floats) -> tuple[Floats, Floats]:
        """See :meth:`Graph.run`."""
        feeds = {"input": windows.reshape(-1, INPUT_SAMPLES), "state": state}
        found, state = self._graph.run(["output", "stateN"], feeds)
        return found, state


def load(path: Path) -> Graph:
    """Load the model.

    Raises:
        ValueError: It is of an unknown version.
        Exception: It cannot be loaded; onnxruntime's classes share only this root.
    """
    graph = session(path, threads=1)
    if {entry.name for entry in graph.get_inputs()} != {"input", "state", "sr"}:
        raise ValueError("the voice detection model is of an unknown version")
    whole = Stepwise(graph)
    stretched = _made_anew(path)
    if stretched is not None and _is_same(whole, stretched):
        return stretched
    log.warning("vad.stepwise", reason="this version of the model is not known; it is used as is")
    return whole


def _made_anew(path: Path) -> Graph | None:
    try:
        made = _stretched(onnx.load(path))
        return None if made is None else Stretched(session(made, threads=1))
    # Weights of other shapes: numpy's errors, or those of onnxruntime, which have no other root.
    except Exception:
        log.exception("vad.unknown_shapes")
        return None


def _is_same(one: Graph, other: Graph) -> bool:
    """Whether two graphs give the same numbers for some noise."""
    chance = np.random.default_rng(1)
    windows = chance.normal(0, 0.05, (*_PROBE, INPUT_SAMPLES)).astype(np.float32)
    state = chance.normal(0, 0.1, (2, _PROBE[1], UNITS)).astype(np.float32)
    pairs = zip(one.run(windows, state), other.run(windows, state), strict=True)
    return all(np.allclose(a, b, atol=_SAME) for a, b in pairs)


def _stretched(model: onnx.ModelProto) -> bytes | None:
    """Make the graph for stretches; None if a weight is not there."""
    branch = next((a.g for n in model.graph.node for a in n.attribute if a.name == _BRANCH), None)
    weights = None if branch is None else _weights(branch)
    if weights is None:
        return None
    made = _Graph(weights)
    made.spectrum()
    for number, (frames, stride) in enumerate(_CONVOLUTIONS):
        made.convolution(number, frames, stride)
    made.recurrence(f"x{len(_CONVOLUTIONS)}")
    return made.serialised(model)


class _Graph:
    """Nodes and numbers of the graph that is made."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._numbers: dict[str, Array] = {}

    def spectrum(self) -> None:
        """Of windows (n, 576) make ``x0``, the magnitudes of their frames (n, 4, 129)."""
        basis = self._weights["stft.forward_basis_buffer"][:, 0].T
        length, bins = basis.shape[0], basis.shape[1] // 2
        self._add("Pad", ["input", self._whole("pads", 0, 0, 0, _FRAME_STEP)], mode="reflect")
        padded = self._last
        begins = range(0, 2 * _FRAMES * _FRAME_STEP, 2 * _FRAME_STEP)
        frames = [self._slice(padded, at, at + length, 1) for at in begins]
        self._add("Concat", frames, axis=1)
        self._add("Reshape", [self._last, self._whole("frames", -1, _FRAMES, length)])
        self._add("MatMul", [self._last, self._number("basis", basis)])
        self._add("Mul", [self._last, self._last])
        power = self._last
        parts = [self._slice(power, 0, bins, 2), self._slice(power, bins, 2 * bins, 2)]
        self._add("Add", parts)
        self._add("Sqrt", [self._last], "x0")

    def convolution(self, number: int, frames: int, stride: int) -> None:
        """Of ``x0`` make ``x1``, and so on: three frames wide, with silence around."""
        kernel = self._weights[f"encoder.{number}.reparam_conv.weight"]
        bias = self._weights[f"encoder.{number}.reparam_conv.bias"]
        outputs, width, taps = kernel.shape
        flat = kernel.transpose(2, 1, 0).reshape(taps * width, outputs)
        self._add("Pad", [f"x{number}", self._whole(f"edges{number}", 0, 1, 0, 0, 1, 0)])
        padded, reach = self._last, (frames - 1) // stride * stride
        shifted = [self._slice(padded, k, k + reach + 1, 1, stride) for k in range(taps)]
        self._add("Concat", shifted, axis=2)
        self._add("MatMul", [self._last, self._number(f"w{number}", flat)])
        self._add("Add", [self._last, self._number(f"b{number}", bias)])
        self._add("Relu", [self._last], f"x{number + 1}")

    def recurrence(self, encoded: str) -> None:
        """Of what the last convolution made, (t * b, 1, 128), make probabilities (t, b)."""
        w, r, bias_w, bias_r = (_reordered(self._weights[name]) for name in _LAYER)
        out_w = self._weights["decoder.decoder.2.weight"].reshape(1, UNITS).T
        one, two = self._whole("one", 1), self._whole("two", 2)
        self._add("Shape", ["state"])
        self._add("Slice", [self._last, one, two])
        self._add("Concat", [self._whole("rest", -1), self._last, self._whole("u", UNITS)], axis=0)
        self._add("Reshape", [encoded, self._last], "steps")
        self._node("Split", ["state"], ["h", "c"], axis=0)
        layer = [
            self._number("w", w[None]),
            self._number("r", r[None]),
            self._number("b", np.concatenate([bias_w, bias_r])[None]),
        ]
        given = ["steps", *layer, "", "h", "c"]
        self._node("LSTM", given, ["y", "h_n", "c_n"], hidden_size=UNITS)
        self._add("Concat", ["h_n", "c_n"], "stateN", axis=0)
        self._add("Squeeze", ["y", one])
        self._add("Relu", [self._last])
        self._add("MatMul", [self._last, self._number("out_w", out_w)])
        bias = self._number("out_b", self._weights["decoder.decoder.2.bias"])
        self._add("Add", [self._last, bias])
        self._add("Sigmoid", [self._last])
        self._add("Squeeze", [self._last, two], "output")

    def serialised(self, model: onnx.ModelProto) -> bytes:
        """Return it as a file's bytes, in the version of another model."""
        graph = helper.make_graph(
            self._nodes,
            "stretched",
            [_floats("input", [None, INPUT_SAMPLES]), _floats("state", [2, None, UNITS])],
            [_floats("output", [None, None]), _floats("stateN", [2, None, UNITS])],
            [numpy_helper.from_array(value, name) for name, value in self._numbers.items()],
        )
        made = helper.make_model(
            graph, opset_imports=model.opset_import, ir_version=model.ir_version
        )
        return bytes(made.SerializeToString())

    @property
    def _last(self) -> str:
        """What the newest node makes."""
        return str(self._nodes[-1].output[0])

    def _add(self, kind: str, given: list[str], name: str = "", **more: Any) -> None:
        self._node(kind, given, [name or f"made{len(self._nodes)}"], **more)

    def _node(self, kind: str, given: list[str], made: list[str], **more: Any) -> None:
        self._nodes.append(helper.make_node(kind, given, made, **more))

    def _slice(self, tensor: str, begin: int, end: int, axis: int, step: int = 1) -> str:
        at = f"at{len(self._nodes)}"
        bounds = {"begin": begin, "end": end, "axis": axis, "step": step}
        self._add("Slice", [tensor, *(self._whole(f"{at}{n}", v) for n, v in bounds.items())])
        return self._last

    def _whole(self, name: str, *values: int) -> str:
        return self._number(name, np.array(values, np.int64))

    def _number(self, name: str, value: Array) -> str:
        self._numbers[name] = np.ascontiguousarray(value)
        return name


def _weights(branch: onnx.GraphProto) -> dict[str, Array] | None:
    """Return the weights by their names in the original; None if one is not there."""
    constants = {
        node.output[0]: node.attribute[0].t
        for node in branch.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    found: dict[str, Array] = {}
    for name in _NAMES:
        tensor = next((t for key, t in constants.items() if key.endswith(name)), None)
        if tensor is None:
            return None
        found[name] = numpy_helper.to_array(tensor)
    return found


def _reordered(gates: Array) -> Array:
    """Bring PyTorch's order of gates (input, forget, cell, output) into ONNX's (i, o, f, c)."""
    i, f, c, o = np.split(gates, 4)
    return np.concatenate([i, o, f, c])


def _floats(name: str, shape: list[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
