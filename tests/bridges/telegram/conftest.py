"""One system for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridges.telegram.serving import Served, served


@pytest.fixture(scope="module")
def telegram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Synthetic engines, one bot, one bridge."""
    with served(tmp_path_factory.mktemp("telegram")) as serving:
        yield serving
