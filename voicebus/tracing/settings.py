"""Settings of tracing."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SCOPE: Final = "TRACING_"


class TracingSettings(Struct, frozen=True, kw_only=True):
    """Where traces go.

    Fields
        endpoint: OTLP/HTTP address of a collector, such as ``http://127.0.0.1:4318/v1/traces``;
            empty: nothing is traced.
        ratio: How many of the turns are traced, of one.
    """

    endpoint: str = ""
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no address, and what is no part of one."""
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https:// at `$.endpoint`")
        if not 0 <= self.ratio <= 1:
            raise ValueError("must be between 0 and 1 at `$.ratio`")
