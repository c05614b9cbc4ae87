"""Settings of tracing."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SCOPE: Final = "TRACING_"

_LONGEST_BATCH_S: Final = 60.0
"""Who looks at a turn wants to see it while he remembers it."""


class TracingSettings(Struct, frozen=True, kw_only=True):
    """Where traces go.

    Fields
        endpoint: OTLP/HTTP address of a collector, such as ``http://127.0.0.1:4318/v1/traces``;
            empty: nothing is traced.
        ratio: How many of the turns are traced, of one.
        batch_s: How long spans are gathered before they are sent: to send takes more of the
            processor than to trace, however few they are.
    """

    endpoint: str = ""
    ratio: float = 1.0
    batch_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what is no address, and what is no part of one."""
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https:// at `$.endpoint`")
        if not 0 <= self.ratio <= 1:
            raise ValueError("must be between 0 and 1 at `$.ratio`")
        if not 0 < self.batch_s <= _LONGEST_BATCH_S:
            raise ValueError(f"must be above 0, and {_LONGEST_BATCH_S:g} at most, at `$.batch_s`")
