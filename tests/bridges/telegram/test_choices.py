"""What a bot's file says and a chat chooses reaches those who answer. Synthetic engines."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from schemas.turn import ConverseRequest
from tests.bridges.telegram.bot_api.accounts import Call
from tests.bridges.telegram.bot_api.people import Person
from tests.bridges.telegram.serving import PERSONA, REPLY, Served, overheard

pytestmark = pytest.mark.model

VOICE = "synthetic"


async def until(person: Person, method: str, count: int = 1) -> Call:
    """Wait for so many calls of a method; return the newest."""
    return (await asyncio.to_thread(person.until, method, count))[-1]


async def test_a_chat_is_answered_in_the_voice_and_language_that_it_chose(
    telegram: Served,
) -> None:
    """From the menus, by their buttons; a voice of an old menu that is gone changes nothing."""
    ann = telegram.person()
    ann.write("/voice")
    ann.press("m:voices", await until(ann, "sendMessage"))
    voices = await until(ann, "sendMessage", 2)
    ann.press(f"v:{VOICE}", voices)
    chosen = await until(ann, "editMessageText")
    old = {"inline_keyboard": [[{"text": "joe", "callback_data": "v:joe"}]]}
    ann.press("v:joe", replace(voices, given={**voices.given, "reply_markup": json.dumps(old)}))
    gone = await until(ann, "sendMessage", 3)
    ann.write("/language")
    ann.press("l:ru", await until(ann, "sendMessage", 4))
    await until(ann, "editMessageText", 2)
    async with overheard(telegram) as asked:
        ann.write("How deep is the sea?")
        await until(ann, "sendMessage", 5)

    assert f"Voice: {VOICE}" in chosen.given["text"]
    assert "not to be had" in gone.given["text"]
    (request,) = asked
    assert (request.settings.voice, request.settings.language) == (VOICE, "ru")
    telegram.expect_clean()


def told(request: ConverseRequest) -> tuple[object, ...]:
    """What a bot's file has a say in."""
    settings = request.settings
    how = (request.model, request.max_tokens, request.temperature)
    who = (settings.persona, settings.instructions)
    return (*who, settings.voice, settings.language, *how)


async def test_each_bot_answers_as_its_file_says(telegram: Served) -> None:
    """Two in one process: persona, voice, language and the model's settings are each one's own."""
    pilot = {"model": "synthetic", "max_tokens": 3, "temperature": 0.2}
    telegram.configure(
        *("pilot", 44_011), instructions="You fly.", voice=VOICE, language="en", llm=pilot
    )
    river = {"max_tokens": 5, "temperature": 0.9}
    telegram.configure("river", 44_012, persona=PERSONA, language="de", llm=river)
    answers = []
    async with overheard(telegram) as asked:
        for number in (44_011, 44_012):
            ann = telegram.person(number)
            ann.write("Who are you?")
            answers.append((await until(ann, "sendMessage")).given["text"])

    assert [told(request) for request in asked] == [
        ("", "You fly.", VOICE, "en", "synthetic", 3, 0.2),
        (PERSONA, "", "", "de", "", 5, 0.9),
    ]
    words = REPLY.split(" ")
    assert answers == [" ".join(words[:3]), " ".join(words[:5])]
    telegram.remove("pilot")
    telegram.remove("river")
    telegram.expect_clean()
