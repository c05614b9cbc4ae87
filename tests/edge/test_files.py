"""What browsers are sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.settings import EdgeSettings
from tests.edge.running import edge_at

EDGE = Path(__file__).parents[2] / "edge"
SCRIPTS = sorted(path for path in EDGE.rglob("*.js"))


async def test_a_script_is_sent_compressed_and_without_its_comments(nats_server: str) -> None:
    """Line by line the same code, for pages of any origin; and not again while it is the same."""
    source = (EDGE / "browser" / "socket.js").read_text(encoding="utf-8").splitlines()
    async with edge_at(nats_server, EdgeSettings()) as client:
        sent = await client.get("/browser/socket.js")
        etag = {"if-none-match": sent.headers["etag"]}
        again = await client.get("/browser/socket.js", headers=etag)
        plain = await client.get("/browser/socket.js", headers={"accept-encoding": "identity"})

    lines = sent.text.split("\n")
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.headers["access-control-allow-origin"] == "*"
    assert sent.headers["content-type"].startswith("text/javascript")
    assert again.status_code == 304
    assert plain.text.splitlines() == source
    assert not any(line.strip().startswith("//") for line in lines)
    shown = [line.split(" // ")[0].strip() for line in source]
    assert [line for line in lines if line] == [
        line for line in shown if line and not line.startswith("//")
    ]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_has_what_looks_like_a_comment_in_a_text(path: Path) -> None:
    """A server that takes comments out goes by lines and knows nothing of JavaScript's strings."""
    for line in path.read_text(encoding="utf-8").splitlines():
        before, mark, _ = line.partition(" // ")
        if mark and not before.strip().startswith("//"):
            assert all(before.count(quote) % 2 == 0 for quote in "\"'`"), line
