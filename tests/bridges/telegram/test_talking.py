"""People talk with a bot: text and voice, in private and in groups. Synthetic engines."""

from __future__ import annotations

import json

import pytest

from tests.bridges.telegram.bot_api.faults import Harm
from tests.bridges.telegram.serving import BOT, REPLY, USERNAME, Served, ogg_of
from tests.voicebus.audio.recordings import ALL, encoded, sentence
from voicebus.audio.sniff import sniff_file

pytestmark = pytest.mark.model


def spoken() -> bytes:
    """A recorded sentence as a voice message."""
    return ogg_of(sentence().tobytes())


def test_a_text_is_answered_in_text(telegram: Served) -> None:
    """One message, plain, with buttons; typing and a growing draft before it."""
    ann = telegram.person()
    ann.write("How deep is the sea?")

    (answer,) = ann.until_seen()

    assert answer.method == "sendMessage"
    assert answer.given["text"] == REPLY
    assert "parse_mode" not in answer.given
    assert [
        button["callback_data"]
        for button in json.loads(answer.given["reply_markup"])["inline_keyboard"][0]
    ] == ["speak", "retry"]
    assert [call.given["action"] for call in ann.calls("sendChatAction")][:1] == ["typing"]
    drafts = [call.given["text"] for call in ann.calls("sendMessageDraft")]
    assert drafts
    assert all(REPLY.startswith(draft) for draft in drafts)
    telegram.expect_clean()


def test_a_voice_message_is_answered_in_voice(telegram: Served) -> None:
    """An OGG with Opus, of the length that it says, while a recording is shown."""
    ann = telegram.person()
    ann.record(spoken(), 7.1)

    (answer,) = ann.until_seen()

    assert answer.method == "sendVoice"
    assert sniff_file(answer.given["voice"]) == "ogg"
    assert b"OpusHead" in answer.given["voice"][:100]
    assert int(answer.given["duration"]) >= 1
    assert "caption" not in answer.given
    assert [call.given["action"] for call in ann.calls("sendChatAction")][:1] == ["record_voice"]
    telegram.expect_clean()


@pytest.mark.parametrize(
    ("kind", "recording"), [("audio", "mp3"), ("video_note", "m4a-index-first"), ("audio", "flac")]
)
def test_other_recordings_are_understood_too(telegram: Served, kind: str, recording: str) -> None:
    """Music files and round videos are voices as well."""
    ann = telegram.person()
    ann.record(encoded(sentence(), ALL[recording]), 7.1, kind)

    assert [call.method for call in ann.until_seen()] == ["sendVoice"]


def test_a_chat_chooses_how_it_is_answered(telegram: Served) -> None:
    """By buttons, and from then on."""
    ann = telegram.person()
    ann.write("/voice")
    (menu,) = ann.until_seen()
    ann.press("a:both", menu)
    ann.until("editMessageText")
    ann.write("How deep is the sea?")

    answer = ann.until("sendVoice")[0]

    assert answer.given["caption"] == REPLY
    telegram.expect_clean()


def test_who_takes_no_voice_gets_text(telegram: Served) -> None:
    """Telegram says so, and the words come in writing."""
    telegram.api.faults.add("sendVoice", Harm.NO_VOICE)
    ann = telegram.person()
    ann.record(spoken(), 7.1)

    (answer,) = ann.until_seen()

    assert answer.method == "sendMessage"
    assert REPLY in answer.given["text"]


def test_a_group_that_becomes_a_supergroup_is_answered_there(telegram: Served) -> None:
    """It has another number by the time the answer is sent."""
    before, after = telegram.person(group=-7005), telegram.person(group=-1_007_005)
    before.upgrade(after.chat)
    before.write(f"@{USERNAME} how deep is the sea?")

    (answer,) = after.until_seen()

    assert answer.given["text"] == REPLY
    telegram.expect_clean()


def test_a_group_that_takes_no_voice_gets_text(telegram: Served) -> None:
    """It is said why, where somebody has pressed for a voice."""
    ann = telegram.person(group=-7003)
    ann.write(f"@{USERNAME} how deep is the sea?")
    (answer,) = ann.until_seen()
    telegram.api.faults.add("sendVoice", Harm.NO_VOICE_HERE)
    ann.press("speak", answer)

    refused = ann.until_seen(2)[1]

    assert refused.method == "sendMessage"
    assert "not allowed here" in refused.given["text"]


def test_an_answer_whose_beginning_is_deleted_is_sent_anew(telegram: Served) -> None:
    """Who runs a group may delete a message that still grows: the words come all the same."""
    ann = telegram.person(group=-7004)
    ann.write(f"@{USERNAME} how deep is the sea?")
    ann.delete(ann.until("sendMessage")[0])

    (answer,) = ann.until_seen()

    assert answer.method == "sendMessage"
    assert answer.given["text"] == REPLY
    assert '"retry"' in answer.given["reply_markup"]
    telegram.expect_clean()


def test_an_answer_is_spoken_when_it_is_asked_for(telegram: Served) -> None:
    """The button under a text makes a voice message of it."""
    ann = telegram.person()
    ann.write("How deep is the sea?")
    (answer,) = ann.until_seen()
    ann.press("speak", answer)

    assert [call.method for call in ann.until_seen(2)] == ["sendMessage", "sendVoice"]


def test_the_last_question_is_asked_again(telegram: Served) -> None:
    """The button answers what was asked, also when it was spoken."""
    ann = telegram.person()
    ann.write("How deep is the sea?")
    (answer,) = ann.until_seen()
    ann.press("retry", answer)

    assert [call.given["text"] for call in ann.until_seen(2)] == [REPLY, REPLY]


def test_a_group_is_answered_when_the_bot_is_meant(telegram: Served) -> None:
    """Mentioned, or replied to; in the topic, as a reply, and in a message that grows."""
    telegram.configure("sea", BOT, USERNAME)
    ann = telegram.person(group=-7001, topic=5)
    ann.write("Nice weather.")
    asked = ann.write(f"@{USERNAME} how deep is the sea?")

    (answer,) = ann.until_seen()

    assert asked
    assert answer.given["text"] == REPLY
    first = ann.calls("sendMessage")[0]
    assert first.given["message_thread_id"] == "5"
    assert json.loads(first.given["reply_parameters"])["message_id"] == 2
    telegram.expect_clean()


def test_commands_answer_in_the_language_of_the_person(telegram: Served) -> None:
    """Russian for who uses a Russian Telegram, English for everybody else."""
    ann, vera = telegram.person(language="de"), telegram.person(language="ru")
    ann.write("/help")
    vera.write("/help")

    assert "Write or speak" in ann.until_seen()[0].given["text"]
    assert "Пишите или говорите" in vera.until_seen()[0].given["text"]


def test_what_is_no_speech_is_said_to_be_none(telegram: Served) -> None:
    """A throw of dice gets a word."""
    ann = telegram.person()
    ann.send(dice={"emoji": "🎲", "value": 3})

    assert "text and voice" in ann.until_seen()[0].given["text"]


def test_an_update_that_nobody_can_read_holds_nothing_up(telegram: Served) -> None:
    """A newer Telegram may send what this client does not know."""
    ann = telegram.person()
    ann.send(sticker={"shape": "new"})
    ann.write("How deep is the sea?")

    assert ann.until_seen()[0].given["text"] == REPLY
