"""A page's way in: its server asks for a secret, and the page opens a session with it."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.conformance.dialects import GA

pytestmark = pytest.mark.model

SESSION: Any = {
    "type": "realtime",
    "output_modalities": ["text"],
    "instructions": "You are a parrot.",
}


async def test_a_secret_brings_the_settings_that_it_was_made_with(caller: AsyncOpenAI) -> None:
    """The session is as the server wanted it before the page says a word."""
    secret = await caller.realtime.client_secrets.create(
        session=SESSION, expires_after={"anchor": "created_at", "seconds": 60}
    )
    async with GA.connected(caller.copy(api_key=secret.value)) as client:
        (created,) = client.of("session.created")
        await client.type_text("Hello.")
        await client.connection.response.create()
        done = (await client.until("response.done"))["response"]

    assert secret.value.startswith("ek_")
    assert created["session"]["instructions"] == "You are a parrot."
    assert created["session"]["output_modalities"] == ["text"]
    assert done["output"][0]["content"][0]["text"]
