"""The session object."""

from __future__ import annotations

from typing import Any

import pytest

from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.session import LARGEST_BYTES, Session

LARGE = "x" * (LARGEST_BYTES // 2)


@pytest.mark.parametrize(
    "wanted",
    [
        {"tracing": {"metadata": LARGE * 2}},
        {"tracing": LARGE, "prompt": LARGE},
        {"tools": [{"name": "f", "parameters": {"a": LARGE}}, {"name": "g", "description": LARGE}]},
        {"audio": {"input": {"noise_reduction": [LARGE, LARGE]}}},
    ],
)
def test_a_session_has_a_bound(wanted: dict[str, Any]) -> None:
    """Whatever it is made of: it is told with each change."""
    with pytest.raises(BadEvent) as caught:
        Session().changed(wanted)

    assert caught.value.reason == "request_too_large"


def test_the_bound_is_of_all_updates_together() -> None:
    """Each of them is small enough."""
    session = Session().changed({"tracing": LARGE})

    with pytest.raises(BadEvent):
        session.changed({"prompt": LARGE})
