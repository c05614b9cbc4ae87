"""OpenAI's API is a part of the edge that can be left out."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from tests.system import System


@pytest.mark.parametrize(("enabled", "status"), [("true", 200), ("false", 404)])
def test_the_api_is_served_unless_it_is_switched_off(
    tmp_path: Path, enabled: str, status: int
) -> None:
    """Then there is nothing at its paths, and the rest of the edge is as it was."""
    settings = {"EDGE_OPENAI_ENABLED": enabled}
    with System(tmp_path, settings, roles=()) as system:
        answers = [
            httpx2.get(f"{system.root}{path}", timeout=10, trust_env=False).status_code
            for path in ("/", "/v1/models", "/openapi.json")
        ]

    assert answers == [200, status, status]
