"""Sessions of onnxruntime, as all stages want them."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def session(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """Load a model for the CPU.

    Args:
        model: The .onnx file, or what is in one.
        threads: Of one inference. They sleep between two: a spinning pool would take the cores of
            the other stages.

    Raises:
        Exception: It cannot be loaded. onnxruntime raises classes of its own C++ module, which
            share only this root; callers say which model it was.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
