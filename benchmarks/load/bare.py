"""``python -m benchmarks.load.bare PACKAGE``: a part of the system that measures nothing.

What goes into its metrics is thrown away before anything is looked up or added. With
``VOICEBUS_LOG_LEVEL=error`` it logs nothing either, as long as all is well: what the others take
more of the processor is what metrics and logs cost.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase


def _itself(metric: MetricWrapperBase, *_: Any, **__: Any) -> MetricWrapperBase:
    return metric


def _nothing(*_: Any, **__: Any) -> None:
    return None


def measure_nothing() -> None:
    """Have all metrics of this process stand still."""
    setattr(MetricWrapperBase, "labels", _itself)  # noqa: B010 - mypy knows a method as one
    verbs = {Counter: ("inc",), Gauge: ("inc", "dec", "set"), Histogram: ("observe",)}
    for kind, names in verbs.items():
        for name in names:
            setattr(kind, name, _nothing)


if __name__ == "__main__":
    measure_nothing()
    package = sys.argv.pop(1)
    runpy.run_module(package, run_name="__main__", alter_sys=True)
