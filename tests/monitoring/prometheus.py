"""A real Prometheus with the project's own configuration, at a pace for tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final, Self

import httpx2
import pytest
import yaml

from deploy.dashboards.draw import Series
from voicebus.parts import free_port

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
CONFIG: Final = DEPLOY / "prometheus"
RATE_INTERVAL: Final = "10s"
_START_LIMIT_S: Final = 30.0


def tool(name: str) -> str:
    """Path of ``prometheus``, ``promtool``, ``alertmanager`` or ``amtool``.

    In CI (``CI=true``) a missing one is a failure. Debian's Alertmanager has a longer name.
    """
    found = shutil.which(name) or shutil.which(f"prometheus-{name}")
    if found is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(f"CI must test the monitoring: there is no {name} here")
        package = "prometheus-alertmanager" if name in ("alertmanager", "amtool") else "prometheus"
        pytest.skip(f"there is no {name} here: apt-get install {package}")
    return found


def _features() -> list[str]:
    """What has to be turned on, as compose does it."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return [word for word in services["prometheus"]["command"] if "--enable-feature" in word]


class Prometheus:
    """A Prometheus that watches one system, used as a context manager.

    Args:
        folder: For its data and its configuration.
        targets: ``host:port`` of the page of ``voicebus up``.
        told: ``host:port`` of an Alertmanager; port 9 is nobody's.

    Attributes:
        begun_s: Since when there is something to see, in s since 1970.
    """

    def __init__(self, folder: Path, targets: str, told: str = "127.0.0.1:9") -> None:
        self._folder = folder
        self._told = told
        self._port = free_port()
        self._targets = targets
        self.url = f"http://127.0.0.1:{self._port}"
        self._client = httpx2.Client(base_url=self.url, trust_env=False, timeout=10.0)
        self.begun_s = 0.0

    def __enter__(self) -> Self:
        config = self._folder / "config"
        shutil.copytree(CONFIG, config)
        text = (config / "prometheus.yml").read_text()
        for own, here in (
            ("127.0.0.1:9464", self._targets),
            ("127.0.0.1:9090", f"127.0.0.1:{self._port}"),
            ("127.0.0.1:9093", self._told),
            ("scrape_interval: 10s", "scrape_interval: 1s"),
            ("scrape_timeout: 5s", "scrape_timeout: 1s"),
            ("evaluation_interval: 10s", "evaluation_interval: 1s"),
            ("refresh_interval: 10s", "refresh_interval: 1s"),
        ):
            assert own in text, own
            text = text.replace(own, here)
        (config / "prometheus.yml").write_text(text)
        with (self._folder / "prometheus.log").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    tool("prometheus"),
                    f"--config.file={config / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    # What it told before it knew of an Alertmanager, it tells after a minute.
                    "--rules.alert.resend-delay=1s",
                    *_features(),
                ],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _START_LIMIT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                pytest.fail((self._folder / "prometheus.log").read_text())
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(20)

    def ask(self, page: str, **parameters: str) -> Any:
        """Return the data of an answer of its API.

        Raises:
            AssertionError: It refused, and says why.
        """
        answer = self._client.get(f"/api/v1/{page}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer.get('error')}"
        return answer["data"]

    def begin(self) -> None:
        """From here on there is something to see."""
        self.begun_s = float(self.ask("query", query="time()")["result"][1])

    def over(self, expr: str, seconds: float) -> list[Series]:
        """Return what a query of a dashboard shows of the seconds since :meth:`begin`."""
        data = self.ask(
            "query_range",
            query=expr.replace("$__rate_interval", RATE_INTERVAL),
            start=f"{self.begun_s}",
            end=f"{self.begun_s + seconds}",
            step="1",
        )
        return [
            Series(one["metric"], tuple((float(at), float(value)) for at, value in one["values"]))
            for one in data["result"]
        ]

    def _is_ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx2.HTTPError:
            return False
