"""A response whose words are taken back before any of them was heard."""

from __future__ import annotations

from schemas.llm import GenerationDone, TokenDelta
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from tests.edge.openai.realtime.scenes import Scene, chat, types

WORDS = "Good day to you."


def respond(scene: Scene) -> None:
    """Begin a response that says a word, takes it back, and says others."""
    scene.type_text("Hi.")
    scene.say("response.create")
    scene.deliver(2)
    scene.workers.waiting.clear()
    scene.hear(TokenDelta(text="Good", turn=1, seq=1, anew=True))
    scene.hear(TokenDelta(text=" day to you.", turn=1, seq=2))
    scene.hear(ClauseSpoken(text=WORDS, start_ms=0, end_ms=400, word_ends_ms=(1, 2, 3, 4), turn=1))
    scene.hear(ReplyChunk(pcm=bytes(19_200), rate_hz=24_000, offset=0, turn=1))
    scene.hear(GenerationDone(text=WORDS, finish_reason="stop", turn=1))


def test_its_words_have_a_message_of_their_own() -> None:
    """What a client has read ends incomplete; each transcript is what its pieces were."""
    scene = Scene()
    respond(scene)
    (*_, done) = scene.hear(SpeechDone(samples=9_600, rate_hz=24_000, turn=1))

    transcripts = [e["transcript"] for e in scene.told if e["type"].endswith("transcript.done")]
    output = done["response"]["output"]
    assert transcripts == ["Hello", WORDS]
    assert [item["status"] for item in output] == ["incomplete", "completed"]
    assert [item["content"][0]["transcript"] for item in output] == ["", WORDS]
    assert done["response"]["status"] == "completed"
    assert types(scene.told).count("response.done") == 1


def test_the_conversation_keeps_those_that_were_heard() -> None:
    """The next answer is asked for behind them alone."""
    scene = Scene()
    respond(scene)
    scene.hear(SpeechDone(samples=9_600, rate_hz=24_000, turn=1))
    scene.type_text("And now?")
    scene.say("response.create")

    assert [message for message in chat(scene) if message[0] == "assistant"] == [
        ("assistant", WORDS)
    ]


def test_the_client_truncates_the_message_with_the_sound() -> None:
    """The other one has none."""
    scene = Scene()
    respond(scene)
    scene.hear(SpeechDone(samples=9_600, rate_hz=24_000, turn=1))
    unheard, heard = scene.watch.items[-2:]

    cut = {"content_index": 0, "audio_end_ms": 100}
    (refused,) = scene.say("conversation.item.truncate", item_id=unheard, **cut)
    (taken,) = scene.say("conversation.item.truncate", item_id=heard, **cut)

    assert refused["type"] == "error"
    assert taken["type"] == "conversation.item.truncated"
