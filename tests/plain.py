"""How the tests ask their own servers over plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

PLAIN: Final[Mapping[str, Any]] = MappingProxyType({"trust_env": False, "verify": False})
"""Settings of a client: no proxy, and no certificates, which take 30 ms of CPU to read. A system
that starts is asked a hundred times whether it is ready, while it needs the CPU for that."""
