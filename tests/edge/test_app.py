"""The edge's pages."""

from __future__ import annotations

from edge.settings import EdgeSettings
from tests.edge.running import edge_at


async def test_the_talk_page_is_served_with_its_policy(nats_server: str) -> None:
    """The page may load and connect to its own host only, and its parts are there."""
    async with edge_at(nats_server, EdgeSettings()) as client:
        page = await client.get("/")
        missing = await client.get("/static/../settings.py")
        script = await client.get("/static/talk.js")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert missing.status_code == 404
    assert script.status_code == 200


async def test_health_is_served_beside_the_pages(nats_server: str) -> None:
    """The edge's own port has /livez, /readyz and /metrics."""
    async with edge_at(nats_server, EdgeSettings()) as client:
        answers = [await client.get(path) for path in ("/livez", "/readyz", "/metrics")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[1].json() == {"bus": True}
    assert "voicebus_sessions_active" in answers[2].text
