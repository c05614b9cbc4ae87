"""One conversation that a person takes from channel to channel, and has deleted in the end.

And what else of Telegram needs a model that notes what it is told, or takes its time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from schemas.stt import TranscriptFinal
from schemas.turn import TurnEnded
from tests.bridges.telegram.bot_api.people import SHOWN, Person
from tests.bridges.telegram.serving import USERNAME, Served, served
from tests.carriers import TwilioPhone
from tests.e2e.client import connected
from tests.e2e.telephony import EDGE, SECRET, Exchange, overheard
from tests.e2e.test_conversations import WRITTEN, conversation_of, kept, told, type_turn
from tests.e2e.upstream import LanguageModel, slowly
from tests.models import model_path
from tests.system import SYNTHETIC
from tests.telephones import calling
from tests.voicebus.audio.recordings import SAMPLES
from voicebus import parts
from voicebus.audio.wav import read_wav

pytestmark = [pytest.mark.model, pytest.mark.timeout(200)]

SPEECH = np.concatenate([read_wav(SAMPLES / "austen-amiable.wav")[1], np.zeros(16_000, np.int16)])


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, language_model: LanguageModel
) -> Iterator[tuple[Served, Exchange]]:
    """A bot, an edge for pages and one for telephones, and a model that notes what it is told."""
    model_path("silero-vad")
    port, tcp = parts.free_ports(2)
    folder = tmp_path_factory.mktemp("house")
    (folder / "personas").mkdir()
    for name in ("judge", "pirate"):
        (folder / "personas" / f"{name}.md").write_text(f"You are a {name}.")
    settings = {
        **SYNTHETIC,
        "LLM_ENGINE": "openai",
        "LLM_URL": language_model.url,
        "TURN_PERSONAS_DIR": str(folder / "personas"),
    }
    phones = {
        "TELEPHONY_PORT": str(port),
        "TELEPHONY_AUDIOSOCKET_PORT": str(tcp),
        "TELEPHONY_NAME": EDGE,
        "TELEPHONY_SECRET": SECRET,
    }
    with served(folder, settings) as bot:
        bot.system.add(parts.telephony_part(bot.system.environment(**phones)))
        bot.system.wait_ready()
        yield bot, Exchange(bot.system, port, tcp)


def code_in(text: str) -> str:
    """The link code that somebody is shown."""
    (found,) = re.findall(r"[2-9A-Z]{4}-[2-9A-Z]{4}", text)
    return str(found)


async def seen(person: Person, count: int) -> str:
    """Wait for so many messages in a chat; return the newest."""
    answers = await asyncio.to_thread(person.until_seen, count)
    return str(answers[-1].given["text"])


class CodePhone(TwilioPhone):
    """A call that its exchange has given a link code."""


async def test_a_conversation_goes_from_a_messenger_to_a_page_to_a_telephone_and_is_deleted(
    house: tuple[Served, Exchange], language_model: LanguageModel
) -> None:
    """Each knows what was said in those before; once it is deleted, nobody does."""
    bot, exchange = house
    ann = bot.person()
    ann.write("my name is Ada")
    await seen(ann, 1)
    ann.write("/link")
    code = code_in(await seen(ann, 2))

    async with connected(bot.system, {"link_code": code, **WRITTEN}) as page:
        await type_turn(page, "what is my name")
        at_page = told(language_model)
        await kept(bot.system, page, 2)
        await page.send("link")
        CodePhone.parameters = {"link_code": (await page.until("link_code"))["code"]}
        async with (
            overheard(exchange) as bus,
            calling(CodePhone, exchange.ws("twilio")) as phone,
        ):
            await phone.say(SPEECH)
            await phone.until(lambda: bool(bus.of(TurnEnded)), "an answer")
            spoken = bus.of(TranscriptFinal)[0].text
            at_telephone = told(language_model)
            await kept(bot.system, page, 3)
            ann.write("/forget")
            assert "deleted" in await seen(ann, 3)
            hung_up = await page.until("hang_up")
            await phone.until(lambda: phone.closed is not None, "the end of the call")
    async with connected(bot.system) as late:
        await late.send("start", conversation=conversation_of(page))
        refused = await late.until("error")
    ann.write("what is my name")
    await seen(ann, 4)

    before = ["my name is Ada", "You said: my name is Ada."]
    assert at_page == [*before, "what is my name"]
    assert at_telephone == [*at_page, "You said: what is my name.", spoken]
    assert (hung_up["reason"], page.closed) == ("forgotten", 1000)
    assert refused["code"] == "conversation_unknown"
    assert told(language_model) == ["what is my name"]
    bot.expect_clean()


def prompted(model: LanguageModel) -> str:
    """The system prompt that the model was told last."""
    first = model.asked[-1][0]
    assert first["role"] == "system"
    return first["content"]


@pytest.mark.parametrize(
    ("number", "chosen", "prompt"),
    [
        (66_101, {"persona": "pirate"}, "You are a pirate."),
        (66_102, {"instructions": "You are a pilot."}, "You are a pilot."),
    ],
)
async def test_who_answers_goes_with_the_conversation(
    house: tuple[Served, Exchange],
    language_model: LanguageModel,
    number: int,
    chosen: dict[str, str],
    prompt: str,
) -> None:
    """The bot's own persona, and the one that a chat chooses, to the page that goes on with it."""
    bot, _ = house
    bot.configure(f"b{number}", number, persona="judge", personas={"other": chosen})
    ann = bot.person(number)
    ann.write("who are you")
    await seen(ann, 1)
    at_first = prompted(language_model)
    ann.write("/persona")
    await seen(ann, 2)
    ann.press("p:other", ann.seen()[-1])
    await asyncio.to_thread(ann.until, "editMessageText")
    ann.write("and now")
    await seen(ann, 3)
    in_chat = prompted(language_model)
    ann.write("/link")
    code = code_in(await seen(ann, 4))
    async with connected(bot.system, {"link_code": code, **WRITTEN}) as page:
        await type_turn(page, "and here")
    at_page = prompted(language_model)
    bot.remove(f"b{number}")

    assert (at_first, in_chat, at_page) == ("You are a judge.", prompt, prompt)


async def test_a_call_with_a_code_that_is_not_good_ends(house: tuple[Served, Exchange]) -> None:
    """The exchange goes on with its next step; nobody listens to somebody else's conversation."""
    _, exchange = house
    CodePhone.parameters = {"link_code": "AAAA-AAAA"}
    async with calling(CodePhone, exchange.ws("twilio")) as phone:
        await phone.until_closed()

    assert exchange.metric("voicebus_telephony_calls_total", reason="link_refused") == 1


async def test_a_chat_goes_on_where_it_was_when_its_bridge_was_killed(
    house: tuple[Served, Exchange], language_model: LanguageModel
) -> None:
    """The next bridge knows how it is answered, what was asked last and what was said before."""
    bot, _ = house
    ann = bot.person()
    ann.write("/voice")
    ann.press("a:both", (await asyncio.to_thread(ann.until_seen))[0])
    await asyncio.to_thread(ann.until, "editMessageText")
    ann.write("my name is Bob")
    (answer,) = await asyncio.to_thread(ann.until, "sendVoice")
    bridge = bot.system.processes["telegram"]
    await asyncio.to_thread(bot.kill, bridge)
    await asyncio.to_thread(bot.restart, bridge)
    ann.press("retry", answer)
    answers = await asyncio.to_thread(ann.until, "sendVoice", 2)

    reply = "You said: my name is Bob."
    assert [call.given["caption"] for call in answers] == [reply, reply]
    assert told(language_model) == ["my name is Bob", reply, "my name is Bob"]


async def test_a_group_that_becomes_a_supergroup_goes_on_where_it_was(
    house: tuple[Served, Exchange], language_model: LanguageModel
) -> None:
    """With what it chose, and what was said: by its old number it was somebody else."""
    bot, _ = house
    before, after = bot.person(group=-7_200), bot.person(group=-1_007_200)
    before.write(f"/language@{USERNAME}")
    await seen(before, 1)
    before.press("l:ru", before.seen()[0])
    await asyncio.to_thread(before.until, "editMessageText")
    before.write(f"@{USERNAME} my name is Eve")
    await seen(before, 2)
    before.upgrade(after.chat)
    after.send(migrate_from_chat_id=before.chat)
    after.write(f"@{USERNAME} what is my name")
    await seen(after, 1)
    now = told(language_model)
    after.write(f"/settings@{USERNAME}")
    shown = await seen(after, 2)

    assert now == ["my name is Eve", "You said: my name is Eve.", "what is my name"]
    assert "Русский" in shown
    bot.expect_clean()


async def test_an_answer_in_a_group_grows_at_a_measured_pace_until_it_is_stopped(
    house: tuple[Served, Exchange], language_model: LanguageModel
) -> None:
    """Edits count as messages: they are some seconds apart; the button ends it with what is."""
    bot, _ = house
    whole = " ".join(f"word{number}" for number in range(100))
    ann = bot.person(group=-7_100, topic=7)
    with language_model.following(slowly(whole, 0.2)):
        ann.write(f"@{USERNAME} tell me a long story")
        edits = await asyncio.to_thread(ann.until, "editMessageText", 2)
        ann.press("stop", edits[-1])
        (answer,) = await asyncio.to_thread(ann.until_seen)

    *growing, last = ann.calls(*SHOWN)
    texts = [call.given["text"] for call in ann.calls(*SHOWN)]
    assert [call.method for call in growing] == ["sendMessage", *["editMessageText"] * 2]
    assert min(after.at_s - before.at_s for before, after in pairwise(growing)) >= 3.0
    assert all(after.startswith(before) for before, after in pairwise(texts))
    assert last == answer
    assert whole.startswith(texts[-1])
    assert texts[-1] != whole
    told_in_passing = [c for c in bot.api.calls if c.method == "answerCallbackQuery"]
    assert told_in_passing[-1].given["text"] == "Stopped."
    bot.expect_clean()
