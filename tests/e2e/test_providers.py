"""Two language models behind a whole system: one fails in mid-conversation, nobody hears it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas.usage import TokensUsed
from tests.e2e.client import connected, expect_eventually, log_of
from tests.e2e.upstream import LanguageModel, dying, failing, hanging
from tests.models import model_path
from tests.system import SYNTHETIC, System

pytestmark = pytest.mark.model

FILE = """
[providers.cloud]
url = "{cloud}"
model = "echo"
first_token_s = 2.0
next_token_s = 2.0

[providers.house]
url = "{house}"
model = "echo"
"""


@pytest.fixture(scope="module")
def cloud() -> Iterator[LanguageModel]:
    """The provider that is asked first."""
    with LanguageModel() as running:
        yield running


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, cloud: LanguageModel) -> Iterator[System]:
    """Synthetic ears and voice; the house's own model stands by."""
    model_path("silero-vad")
    folder = tmp_path_factory.mktemp("providers")
    listed = folder / "providers.toml"
    with LanguageModel() as house:
        listed.write_text(FILE.format(cloud=cloud.url, house=house.url))
        settings = {
            **SYNTHETIC,
            "LLM_ENGINE": "openai",
            "LLM_PROVIDERS_FILE": str(listed),
        }
        with System(folder, settings) as running:
            yield running


@pytest.mark.fault
async def test_a_provider_that_fails_in_mid_conversation_is_not_heard(
    system: System, cloud: LanguageModel
) -> None:
    """Refusing, dying in mid-stream, hanging: each turn is answered, whole and once.

    The log has every request to either of them.
    """
    scripts = [failing(429), dying("You said: and now"), hanging()]
    async with connected(system, {}) as client:
        await client.send("text", text="hello")
        await client.until("turn_ended", turn=1, outcome="completed")
        for turn, script in enumerate(scripts, 2):
            with cloud.following(script):
                await client.send("text", text="and now")
                await client.until("turn_ended", turn=turn, outcome="completed")

    replies = [message["text"] for message in client.messages("reply_done")]
    assert replies == ["You said: hello.", *["You said: and now."] * 3]
    for turn, reply in enumerate(replies, 1):
        read = "".join(m["text"] for m in client.messages("reply_text", turn=turn))
        assert read.strip() == reply
    assert client.messages("error") == []
    failures = "voicebus_llm_provider_failures_total"
    assert system.metric("llm", failures, provider="cloud") == 3
    assert system.metric("llm", failures, provider="house") == 0
    assert system.metric("llm", "voicebus_llm_failovers_total", outcome="unheard") == 2
    assert system.metric("llm", "voicebus_llm_failovers_total", outcome="continued") == 1

    session = client.messages("metadata")[0]["session_id"]
    asked = [(1, "cloud", "answered")]
    for turn in range(2, 5):
        asked += [(turn, "cloud", "failed"), (turn, "house", "answered")]

    async def is_told() -> bool:
        log = await log_of(system, session)
        told = [event for event in log if isinstance(event, TokensUsed)]
        return [(event.turn, event.provider, event.outcome) for event in told] == asked

    await expect_eventually(is_told, "what was used is in the log")
