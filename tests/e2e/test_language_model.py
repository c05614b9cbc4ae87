"""A language model that refuses, hangs, is overloaded or dies, behind a whole system."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.e2e.client import (
    PAUSE,
    Client,
    connected,
    expect_eventually,
    expect_healthy,
)
from tests.e2e.upstream import LanguageModel, Script, dying, failing, hanging
from tests.system import System
from tests.voicebus.audio.recordings import sentence

pytestmark = pytest.mark.model


async def expect_failed_turn(system: System, client: Client, code: str) -> None:
    """Do a turn that fails; the client, the metrics and the log say so."""
    before = system.metric("llm", "voicebus_failures_total", stage="llm", code=code)
    told = system.metric("edge", "voicebus_client_errors_total", code=code)

    await client.send("text", text="are you there")
    await client.until("turn_ended", turn=1)

    errors = client.messages("error")
    assert [(e["code"], e["stage"], e["turn"]) for e in errors] == [(code, "llm", 1)]
    assert errors[0]["message"]
    assert "secret" not in errors[0]["message"]
    assert client.messages("turn_ended")[0]["outcome"] == "failed"
    assert system.metric("llm", "voicebus_failures_total", stage="llm", code=code) == before + 1
    assert system.metric("edge", "voicebus_client_errors_total", code=code) == told + 1


async def recover(client: Client) -> None:
    """Do the next turn on the same connection."""
    await client.send("text", text="are you back")
    await client.until("turn_ended", turn=2, outcome="completed")
    assert "are you back" in client.messages("reply_done", turn=2)[0]["text"]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("script", "code"),
    [
        (failing(429), "engine_overloaded"),
        (failing(500), "engine_unavailable"),
        (hanging(), "engine_timeout"),
        (hanging("Well, let me see, "), "engine_timeout"),
        (dying("I was about to "), "engine"),
    ],
    ids=["429", "500", "hangs", "hangs in mid-stream", "dies in mid-stream"],
)
async def test_a_failing_model_fails_the_turn_and_not_the_session(
    echo_system: System, language_model: LanguageModel, script: Script, code: str
) -> None:
    """The client gets a typed error and ``turn_ended`` failed; the next turn works."""
    async with connected(echo_system, {}) as client:
        with language_model.following(script):
            await expect_failed_turn(echo_system, client, code)
        await recover(client)
    await expect_healthy(echo_system)


@pytest.mark.fault
async def test_a_model_that_refuses_connections_fails_the_turn(
    echo_system: System, language_model: LanguageModel
) -> None:
    """Nobody listens: a typed error; when the model is back, the next turn works."""
    async with connected(echo_system, {}) as client:
        with language_model.refusing():
            await expect_failed_turn(echo_system, client, "engine_unavailable")
        await recover(client)


async def test_a_failing_turn_does_not_touch_other_sessions(
    echo_system: System, language_model: LanguageModel
) -> None:
    """While one caller's reply hangs, another one is answered at once."""
    async with connected(echo_system, {}) as stuck:
        with language_model.following(hanging()):
            asked = len(language_model.asked)
            await stuck.send("text", text="hang")
            await expect_eventually(lambda: len(language_model.asked) > asked, "the model is asked")
        begun_s = time.monotonic()
        await expect_healthy(echo_system)
        assert time.monotonic() - begun_s < 1.5  # the other one is still waiting
        assert stuck.messages("turn_ended") == []
        # Nothing of it was heard yet, so it is tried once more, and the model is well again.
        await stuck.until("turn_ended", outcome="completed")


async def test_cancel_stops_the_reply(echo_system: System, language_model: LanguageModel) -> None:
    """``cancel`` gives flush and ``turn_ended`` interrupted, then silence; the model is left."""
    async with connected(echo_system, {}) as client:
        with language_model.following(hanging("Once upon a time, there was a king. ")):
            left = language_model.left
            await client.send("text", text="tell me a story")
            await client.until("latency")
            await client.send("cancel")
            await client.until("turn_ended", turn=1, outcome="interrupted")
            await expect_eventually(lambda: language_model.left > left, "the stream is closed", 2)
        flushed = client.heard.index(client.messages("flush", turn=1)[0])
        await client.send("text", text="thank you")
        await client.until("turn_ended", turn=2, outcome="completed")

    begun = client.heard.index(client.messages("turn_started", turn=2)[0])
    between = client.heard[flushed + 1 : begun]
    assert between == client.messages("turn_ended", turn=1)
    assert client.messages("error") == []
    assert client.messages("audio_complete", turn=1) == []


async def test_speaking_interrupts_the_reply(
    echo_system: System, language_model: LanguageModel
) -> None:
    """Who speaks during a reply is heard: the reply ends, and the new words are answered."""
    async with connected(echo_system, {}) as client:
        with language_model.following(hanging("Once upon a time, there was a king. ")):
            await client.send("text", text="tell me a story")
            await client.until("latency", turn=1)
        await client.speak(sentence())
        await client.speak(PAUSE)
        await client.until("turn_ended", turn=2, outcome="completed")

    first = client.messages("turn_ended")[0]
    assert (first["turn"], first["outcome"]) == (1, "interrupted")
    assert "Once upon a time, there was a king.".startswith(first["reply"])
    assert client.messages("turn_started")[1]["text"].startswith("synthetic utterance")
    assert client.messages("flush", turn=1)


async def test_the_model_is_told_the_conversation(
    echo_system: System, language_model: LanguageModel
) -> None:
    """The second turn's request carries the first turn's question and answer, in order."""
    start = {"instructions": "You are a parrot.", "output": {"audio": False}}
    async with connected(echo_system, start) as client:
        await client.send("text", text="my name is Ann")
        await client.until("turn_ended", turn=1, outcome="completed")
        await client.send("text", text="what is my name")
        await client.until("turn_ended", turn=2, outcome="completed")

    told = language_model.asked[-1]
    assert [message["role"] for message in told] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in told] == [
        "You are a parrot.",
        "my name is Ann",
        client.messages("reply_done")[0]["text"],
        "what is my name",
    ]


async def test_twenty_typing_callers_get_their_own_words(echo_system: System) -> None:
    """Twenty sessions at once: each reply repeats what this caller typed, and nothing else."""

    async def converse(name: str) -> Client:
        async with connected(echo_system, {}) as client:
            for turn in (1, 2):
                await client.send("text", text=f"{name} asks {turn}")
                await client.until("turn_ended", turn=turn, outcome="completed")
        return client

    names = [f"caller{number:02}" for number in range(20)]
    clients = await asyncio.gather(*(converse(name) for name in names))

    for name, client in zip(names, clients, strict=True):
        replies = [message["text"] for message in client.messages("reply_done")]
        assert replies == [f"You said: {name} asks {turn}." for turn in (1, 2)]
        pieces = "".join(message["text"] for message in client.messages("reply_text", turn=2))
        assert pieces.strip() == replies[1]
        heard = sum(message["audio_seconds"] for message in client.messages("audio_complete"))
        assert client.audio().size == pytest.approx(24_000 * heard, abs=48)
