"""A Piper voice in two halves, so that it is heard before all of it is made.

Piper's models are VITS (https://arxiv.org/abs/2106.06103) as one graph. Its first half makes of
phonemes a sequence of frames, all at once; the second one, a stack of convolutions, makes samples
of frames. What a sample depends on lies within a few frames around it, so the second half can go
piece by piece, each with some frames of its neighbours: the samples are those of the whole.

The same phonemes make the same samples each time, in every process: see
:mod:`services.tts.engines.noise`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from services.onnx import session
from services.tts.engines import noise

Samples: TypeAlias = NDArray[np.float32]
Feed: TypeAlias = Mapping[str, NDArray[np.generic]]

FIRST_FRAMES: Final = 24
"""Frames of the first piece, 0.28 s at 22050 Hz; each piece has twice those of the one before."""

MOST_FRAMES: Final = 192
"""Frames of a piece at most: others wait for the thread that makes it."""

CONTEXT_FRAMES: Final = 16
"""Frames on either side that a piece is made with: the convolutions of a "medium" voice reach over
10, those of a "high" one, by the sizes of their kernels, over 14."""

_PHONEMES: Final = "input"
_DECODER_WEIGHT: Final = "dec.conv_pre.weight"


class Synthesis(Protocol):
    """Makes samples of phonemes."""

    def start(self, feed: Feed) -> tuple[int, Iterator[Samples]]:
        """Return how many samples there will be, and the samples piece by piece.

        Args:
            feed: The graph's inputs. Each piece is made when it is asked for.
        """
        ...


class Whole:
    """A graph that cannot be cut: one piece."""

    def __init__(self, graph: onnxruntime.InferenceSession) -> None:
        self._graph = graph

    def start(self, feed: Feed) -> tuple[int, Iterator[Samples]]:
        """Make all samples at once; see :meth:`Synthesis.start`."""
        audio = np.atleast_1d(self._graph.run(None, _of(feed, self._graph))[0].squeeze())
        return len(audio), iter((audio,))


class Halves:
    """A graph that was cut in front of its decoder.

    Args:
        encoder: Of phonemes frames.
        decoder: Of frames samples; of voices with several speakers also of the speaker.
        frames: Name of the frames in both.
        hop: Samples per frame.
    """

    def __init__(
        self,
        encoder: onnxruntime.InferenceSession,
        decoder: onnxruntime.InferenceSession,
        frames: str,
        hop: int,
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._frames = frames
        self._hop = hop

    def start(self, feed: Feed) -> tuple[int, Iterator[Samples]]:
        """Make all frames at once; see :meth:`Synthesis.start`."""
        frames = self._encoder.run([self._frames], _of(feed, self._encoder))[0]
        return frames.shape[2] * self._hop, self._pieces(frames, _of(feed, self._decoder))

    def _pieces(self, frames: Samples, feed: Feed) -> Iterator[Samples]:
        for begin, end in spans(frames.shape[2]):
            before = min(begin, CONTEXT_FRAMES)
            around = frames[:, :, begin - before : end + CONTEXT_FRAMES]
            audio = self._decoder.run(None, {**feed, self._frames: around})[0].reshape(-1)
            yield audio[before * self._hop : (before + end - begin) * self._hop]


def spans(frames: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each piece of so many frames."""
    begin, size = 0, FIRST_FRAMES
    while begin < frames:
        end = begin + size if frames - begin - size >= FIRST_FRAMES else frames
        yield begin, end
        begin, size = end, min(2 * size, MOST_FRAMES)


def load(file: Path, threads: int, hop: int) -> Synthesis:
    """Load a voice: in halves where its graph is that of VITS.

    Args:
        file: The .onnx file.
        threads: Of one inference.
        hop: Samples per frame.
    """
    model = onnx.load(file)
    noise.settle(model)
    joint = _decoder_input(model.graph)
    if joint is None:
        return Whole(session(bytes(model.SerializeToString()), threads))
    inputs = {value.name for value in model.graph.input}
    audio = model.graph.output[0].name
    encoder = session(_part(model, inputs, joint), threads)
    decoder = session(_part(model, {joint, *inputs}, audio), threads)
    if _PHONEMES in {value.name for value in decoder.get_inputs()}:
        return Whole(session(bytes(model.SerializeToString()), threads))
    return Halves(encoder, decoder, joint, hop)


def _of(feed: Feed, graph: onnxruntime.InferenceSession) -> Feed:
    """Return the inputs that a graph has, with the place of the phonemes' noise."""
    names = {value.name for value in graph.get_inputs()}
    given = {**feed, noise.PLACE: noise.place(feed[_PHONEMES])}
    return {name: value for name, value in given.items() if name in names}


def _decoder_input(graph: onnx.GraphProto) -> str | None:
    """Return the name of the frames: what the decoder's first convolution takes."""
    return next((node.input[0] for node in graph.node if _DECODER_WEIGHT in node.input), None)


def _part(model: onnx.ModelProto, inputs: set[str], output: str) -> bytes:
    """Return the graph between some of its tensors."""
    graph = model.graph
    made_by = {name: number for number, node in enumerate(graph.node) for name in node.output}
    wanted, numbers = [output], set[int]()
    while wanted:
        number = made_by.get(name := wanted.pop())
        if name in inputs or number is None or number in numbers:
            continue
        numbers.add(number)
        wanted += graph.node[number].input
    nodes = [graph.node[number] for number in sorted(numbers)]
    used = {name for node in nodes for name in node.input}
    known = {value.name: value for value in (*graph.input, *graph.output)}

    def values(names: list[str]) -> list[onnx.ValueInfoProto]:
        unknown = onnx.TensorProto.FLOAT
        return [
            known.get(name) or helper.make_tensor_value_info(name, unknown, None) for name in names
        ]

    part = helper.make_graph(
        nodes,
        "part",
        values(sorted(inputs & used)),
        values([output]),
        [tensor for tensor in graph.initializer if tensor.name in used],
    )
    made = helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString())
