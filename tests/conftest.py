"""Fixtures that many tests share: the real nats-server, and a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.browser import installed
from tests.nats_server import NatsServer
from tests.sharing import Sharing, scheduling, shared_by, waits
from tests.system import System

# How long an example takes says more about the machine than about the code.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    """Several processes test: see :mod:`tests.sharing`."""
    return scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares a system goes first: it takes longest. Then what waits, then what computes."""
    items.sort(key=lambda item: (shared_by(item.path) is None, not waits(item.path)))


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a nats-server for a file of tests, which keep apart by cells of their own.

    One server does not last for all: each cell has consumers of its own, and a server that is
    given no limit on them allows 1000.
    """
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


_configure = structlog.configure


def _configure_for_a_test(**chosen: Any) -> None:
    _configure(**{**chosen, "cache_logger_on_first_use": False})


@pytest.fixture(autouse=True)
def own_logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging that a test sets up ends with it: its stderr is closed by then, and others log too.

    A module's logger that has been kept would go on writing there.
    """
    monkeypatch.setattr(structlog, "configure", _configure_for_a_test)
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def whole_systems(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test after which a process of its system is gone has failed; the next finds it whole."""
    names = [name for name in request.fixturenames if name.endswith("_system")]
    systems = [request.getfixturevalue(name) for name in names]
    yield
    for system in systems:
        if isinstance(system, System):
            system.expect_whole()


@pytest.fixture
def own_nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server of the test's own, which it may kill, freeze and restart."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of an installed Chromium. In CI (``CI=true``) a missing one is a failure."""
    if path := installed():
        return path
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail("CI must test the talk page: there is no Chromium here")
    pytest.skip("there is no Chromium here")
