"""One system for the files of tests that need none of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bridges.telegram.serving import Served, served


@pytest.fixture(scope="package")
def telegram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Synthetic engines, one bot, one bridge."""
    with served(tmp_path_factory.mktemp("telegram")) as serving:
        yield serving
