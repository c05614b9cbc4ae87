"""Borders of the histograms: fine where a decision lies, coarse where none does."""

from __future__ import annotations

from typing import Final

STAGE_BUCKETS: Final = (
    0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10
)  # fmt: skip
"""What a person waits for, in seconds."""

BUS_BUCKETS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1)
"""What nobody should notice, in seconds."""

RATIO_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.5, 2, 5)
"""Work against the length of the audio; 1 is real time."""

PART_BUCKETS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1.0)
"""Parts of a whole."""
