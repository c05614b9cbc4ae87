"""Workers that are killed while they answer somebody in Telegram: it comes once and whole."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.bot_api.server import BotApi
from tests.bridges.telegram.serving import ogg_of
from tests.e2e.client import expect_eventually
from tests.faults.crew import LIMIT_S, REPLY, Crew
from tests.system import Process
from tests.voicebus.audio.recordings import sentence
from voicebus.parts import ROLES

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

BOT = 11_001


@pytest.fixture(scope="module")
def api(running: Crew) -> Iterator[BotApi]:
    """A Bot API, and a bridge of the crew that speaks to it, with a user of its own."""
    with BotApi() as server:
        bridge = running.open_bridge(server.url, server.add_bot(BOT).token)
        running.wait_ready()
        yield server
        bridge.signal(signal.SIGTERM)
        bridge.wait(LIMIT_S)
        assert "Traceback" not in bridge.log
        assert running.secured.violations() == []
        running.dismiss(bridge)


async def busy(crew: Crew, role: str) -> Process:
    """Wait until a worker of a role works, and return it."""
    found: list[Process] = []

    def is_there() -> bool:
        names = [w for w in crew.workers(role) if crew.metric(w.name, "voicebus_worker_busy")]
        found.extend(names)
        return bool(found)

    await expect_eventually(is_there, f"a {role} worker is busy", LIMIT_S)
    return found[0]


@pytest.mark.parametrize(
    "role",
    ["turn", "tts", *(pytest.param(role, marks=pytest.mark.slow) for role in ("stt", "llm"))],
)
async def test_a_worker_is_killed_in_mid_turn(crew: Crew, api: BotApi, role: str) -> None:
    """Another one goes on; nobody in Telegram can tell."""
    await crew.until_idle()
    ann = Person(api, BOT, 700_000 + ROLES.index(role))
    ann.record(ogg_of(sentence().tobytes()), 7.1)
    await crew.kill(await busy(crew, role))

    (answer,) = await asyncio.to_thread(ann.until_seen, 1, LIMIT_S)
    await crew.heal()
    await crew.until_idle()
    assert [call.method for call in ann.calls("sendVoice", "sendMessage")] == ["sendVoice"]
    assert int(answer.given["duration"]) >= 8  # all of the reply's words
    assert api.errors == api.violations == []


async def test_a_text_is_answered_whole(crew: Crew, api: BotApi) -> None:
    """The model is killed behind the first words, which are shown already."""
    await crew.until_idle()
    ann = Person(api, BOT, 700_100)
    ann.write("What of the sea?")
    await asyncio.to_thread(ann.until, "sendMessageDraft", 1, LIMIT_S)
    await crew.kill(await busy(crew, "llm"))

    (answer,) = await asyncio.to_thread(ann.until_seen, 1, LIMIT_S)
    assert answer.given["text"] == REPLY
