"""What this process has counted, for tests of what a metric grows by."""

from __future__ import annotations

from prometheus_client import REGISTRY


def sample(name: str, **labels: str) -> float:
    """A sample's value by its name on /metrics; 0 as long as there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Growth:
    """Samples as they were; asked for one, it says by how much that one has grown since."""

    def __init__(self) -> None:
        self._before = {
            (one.name, frozenset(one.labels.items())): one.value
            for family in REGISTRY.collect()
            for one in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        """By how much a sample has grown."""
        return sample(name, **labels) - self._before.get((name, frozenset(labels.items())), 0.0)
