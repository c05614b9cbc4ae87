"""Sites whose pages have widgets, and systems that let them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system import System
from tests.widget_page import SITES, Host, hosted


@contextmanager
def system_with_sites(folder: Path, settings: Mapping[str, str]) -> Iterator[System]:
    """A system without sites; :func:`tests.widget_page.open_sites` gives it some."""
    sites = folder / SITES
    sites.write_text("", encoding="utf-8")  # a test writes its own: a change counts at once
    with System(folder, {**settings, "EDGE_WIDGET_SITES_FILE": str(sites)}) as system:
        yield system


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A web server of another site."""
    async with hosted() as serving:
        yield serving
