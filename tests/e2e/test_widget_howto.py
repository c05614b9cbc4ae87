"""docs/howto/widget.md, step by step: what it says to type is typed. Synthetic engines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.models import model_path
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from tests.walking import HOWTO, Walk, commands, fenced, walking
from voicebus.parts import free_port

pytestmark = [pytest.mark.model, pytest.mark.operations]

PAGE = (HOWTO / "widget.md").read_text(encoding="utf-8")
SHOP, EVIL = {"origin": "https://shop.example"}, {"origin": "https://evil.example"}


@contextmanager
def walked(text: str, folder: Path) -> Iterator[tuple[Walk, httpx2.Client]]:
    """Type the lines of a block; ask what is served while it runs."""
    model_path("silero-vad")
    environ = System(folder, SYNTHETIC).environment(
        UP_DATA_DIR=str(folder / "data"), UP_NATS_PORT=str(free_port())
    )
    del environ["VOICEBUS_NATS_URL"]
    port = free_port()
    with (
        walking(text, folder, environ, port) as walk,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client,
    ):
        yield walk, client


def write_sites(folder: Path) -> Path:
    """The file of the page."""
    (text,) = fenced(PAGE, "toml")
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demo_has_two_widgets(tmp_path: Path) -> None:
    """At the address that the page names."""
    with walked(commands(PAGE, "DEMO"), tmp_path) as (walk, client):
        walk.until_printed(r"^edge +ready")
        page = client.get("/widget/demo")

    assert "http://127.0.0.1:8080/widget/demo has two widgets" in PAGE
    assert page.status_code == 200
    assert page.text.count("</voicebus-widget>") == 2


def test_a_site_of_ones_own(tmp_path: Path) -> None:
    """Its pages get the script and its texts, others do not, and a change counts soon."""
    sites = write_sites(tmp_path)
    lines = [
        line for line in PAGE.splitlines() if line.startswith("    VOICEBUS_EDGE_WIDGET_SITES")
    ]
    with walked(lines[0].strip(), tmp_path) as (walk, client):
        walk.until_printed(r"^edge +ready")
        script = client.get("/widget/widget.js?site=shop", headers=SHOP)
        ours = client.get("/widget/sites/shop", headers=SHOP)
        theirs = client.get("/widget/sites/shop", headers=EVIL)
        sites.write_text(sites.read_text().replace('title = "Tea shop"', 'title = "Tea room"'))
        time.sleep(1.5)
        changed = client.get("/widget/sites/shop", headers=SHOP)
        sites.write_text("[sites")
        time.sleep(1.5)
        mistaken = client.get("/widget/sites/shop", headers=SHOP)

    assert (script.status_code, "javascript" in script.headers["content-type"]) == (200, True)
    assert ours.json()["texts"]["title"] == "Tea shop"
    assert theirs.json()["error"]["code"] == "origin_forbidden"
    assert changed.json()["texts"]["title"] == "Tea room"
    assert mistaken.json() == changed.json()


def test_behind_a_proxy_it_starts_once_there_is_a_key(tmp_path: Path) -> None:
    """Its visitors need none."""
    write_sites(tmp_path)
    block = commands(PAGE, "keys add")
    add, start = block.splitlines()
    with walked(start, tmp_path) as (walk, _):
        assert walk.process.wait(60) != 0
    assert "voicebus keys add" in walk.output
    with walked(f"{add}\n{start}\n", tmp_path) as (walk, client):
        walk.until_printed(r"^edge +ready")
        forwarded = {**SHOP, "x-forwarded-for": "192.0.2.1"}
        ours = client.get("/widget/sites/shop", headers=forwarded)
        keyless = client.post("/v1/audio/speech", json={"input": "Hello", "voice": "x"})

    assert ours.status_code == 200
    assert keyless.status_code == 401
