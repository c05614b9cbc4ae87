"""An answer that takes its time, and a caller who does not wait for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.openai.realtime import connected
from tests.e2e.openai.test_realtime import HEARD, MANUAL, SILENCE, sentence
from tests.models import model_path
from tests.system import SYNTHETIC, System

pytestmark = pytest.mark.model

REPLY = " ".join(f"This is sentence {number} of a long story." for number in range(1, 30))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A model that writes at the pace of speech."""
    model_path("silero-vad")
    pace = {"LLM_SYNTHETIC_TOKENS_PER_S": "6", "LLM_SYNTHETIC_REPLY": REPLY}
    with System(tmp_path_factory.mktemp("slow"), {**SYNTHETIC, **pace}) as running:
        yield running


async def test_speech_interrupts_the_answer_and_is_answered(system: System) -> None:
    """The answer ends at the first speech, before the caller's item is committed."""
    async with connected(system, HEARD) as client:
        await client.type_text("Tell me a story.")
        await client.connection.response.create()
        await client.until("response.output_audio.delta")
        (told,) = client.of("response.created")
        await client.speak(sentence())
        await client.speak(SILENCE)
        await client.until("input_audio_buffer.committed")
        await client.until("response.created")
        await client.connection.response.cancel()
        last = await client.until("response.done")

    interrupted = client.of("response.done")[0]["response"]
    assert interrupted["id"] == told["response"]["id"]
    assert interrupted["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert interrupted["output"][0]["status"] == "incomplete"
    kinds = client.kinds
    done_at = kinds.index("response.done")
    assert kinds.index("input_audio_buffer.speech_started") < done_at
    assert done_at < kinds.index("input_audio_buffer.committed")
    assert last["response"]["status_details"]["reason"] == "client_cancelled"
    assert not client.of("error")


async def test_the_conversation_keeps_what_was_heard(system: System) -> None:
    """What the client says that it did not play is in nobody's memory, word by word."""
    async with connected(system, MANUAL) as client:
        await client.type_text("Tell me a story.")
        await client.connection.response.create()
        added = await client.until("response.output_item.added")
        item_id = added["item"]["id"]
        while len(client.of("response.output_audio.delta")) < 3:
            await client.next()
        await client.connection.response.cancel()
        await client.until("response.done")
        await client.connection.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=700
        )
        await client.until("conversation.item.truncated")
        await client.connection.conversation.item.retrieve(item_id=item_id)
        item = (await client.until("conversation.item.retrieved"))["item"]

    (part,) = item["content"]
    assert REPLY.startswith(part["transcript"])
    assert 0 < len(part["transcript"]) < len(REPLY.split(".")[0])
    assert not client.of("error")


async def test_a_session_goes_on_with_another_turn_worker(system: System) -> None:
    """Who leads the answers is killed: the running one can be cancelled, and the next is made."""
    async with connected(system, MANUAL) as client:
        await client.type_text("Tell me a story.")
        await client.connection.response.create()
        await client.until("response.output_audio.delta")
        with system.without("turn"):
            await client.until("response.output_audio.delta")
        await client.connection.response.cancel()
        await client.until("response.done")
        await client.type_text("And another one.")
        await client.connection.response.create()
        await client.until("response.output_audio.delta")
        await client.connection.response.cancel()
        last = await client.until("response.done")

    assert last["response"]["status_details"]["reason"] == "client_cancelled"
    assert not client.of("error")
