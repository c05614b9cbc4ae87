"""What a client must have heard and the log must hold, whatever died meanwhile."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.llm import GenerationDone, TokenDelta
from schemas.stt import TranscriptFinal
from schemas.tts import ReplyChunk, SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from tests.e2e.client import Client, connected, expect_eventually
from tests.faults.crew import LIMIT_S, REPLY, Crew

Samples = NDArray[np.int16]

ROUNDING: Final = 2
"""Steps by which two renderings of the same words may differ: the resampler dithers."""


def audio_of(client: Client, turn: int) -> Samples:
    """Return the audio that a client was sent for a turn."""
    current, found = 0, b""
    for item in client.heard:
        if isinstance(item, bytes):
            found += item if current == turn else b""
        elif item["type"] == "audio_start":
            current = item["turn"]
    return np.frombuffer(found, "<i2")


def written(client: Client, turn: int) -> str:
    """Return the reply as a client has it that reads its pieces as they come."""
    text = ""
    for told in client.messages("reply_text", turn=turn):
        text = told["text"] if told.get("anew") else text + told["text"]
    return text


def expect_whole_reply(client: Client, turn: int, unharmed: Samples) -> None:
    """Each word came once, in order, and so did each sample; then the turn ended, once."""
    assert written(client, turn) == REPLY
    assert [told["text"] for told in client.messages("reply_done", turn=turn)] == [REPLY]
    assert len(client.messages("audio_start", turn=turn)) == 1
    assert len(client.messages("audio_complete", turn=turn)) == 1
    audio = audio_of(client, turn)
    assert len(audio) == len(unharmed)
    assert np.abs(audio.astype(int) - unharmed).max() <= ROUNDING
    assert [m["outcome"] for m in client.messages("turn_ended", turn=turn)] == ["completed"]


def expect_order(client: Client) -> None:
    """Turns follow each other, each begins once and ends once, and nothing of it comes behind."""
    begun = [told["turn"] for told in client.messages("turn_started")]
    ended = [told["turn"] for told in client.messages("turn_ended")]
    assert begun == sorted(set(begun))
    assert ended == begun
    over = 0
    for told in client.messages():
        assert told.get("turn", over + 1) > over, told
        if told["type"] == "turn_ended":
            over = told["turn"]


def expect_sound_log(events: list[Event]) -> None:
    """The log tells one story: nothing twice, nothing missing, and no owner after a newer one."""
    finals = [event.utterance for event in events if isinstance(event, TranscriptFinal)]
    assert finals == list(range(1, len(finals) + 1))
    for kind in (TurnStarted, TurnEnded):
        turns = [event.turn for event in events if isinstance(event, kind)]
        assert turns == sorted(set(turns)), kind
    _expect_words_once(events)
    _expect_no_gap(events)
    _expect_epochs(events)


def _expect_words_once(events: list[Event]) -> None:
    pieces: dict[tuple[int, int], list[TokenDelta]] = defaultdict(list)
    for event in events:
        if isinstance(event, TokenDelta):
            pieces[event.turn, event.revision].append(event)
    done = [event for event in events if isinstance(event, GenerationDone)]
    assert set(Counter((event.turn, event.revision) for event in done).values()) <= {1}
    for event in done:
        told = pieces[event.turn, event.revision]
        assert [piece.seq for piece in told] == list(range(len(told)))
        words = ""
        for piece in told:
            words = piece.behind(words)
        if event.finish_reason == "cut":  # words behind its last clause were read only
            assert event.text
            words = words[: len(event.text)]
        assert words == event.text


def _expect_no_gap(events: list[Event]) -> None:
    """Audio of both sides; what is there twice is the same."""
    heard = {event.offset: event.pcm for event in events if isinstance(event, AudioChunk)}
    replies: dict[tuple[int, int], dict[int, bytes]] = defaultdict(dict)
    for event in events:
        if isinstance(event, ReplyChunk):
            known = replies[event.turn, event.revision].setdefault(event.offset, event.pcm)
            assert len(known) == len(event.pcm)
    for chunks in (heard, *replies.values()):
        position = 0
        for offset in sorted(chunks):
            assert offset == position
            position += len(chunks[offset]) // 2


def _expect_epochs(events: list[Event]) -> None:
    """Writes behind a newer owner are refused; REPLY, which is not fenced, does not count."""
    newest: dict[tuple[str, int, int], int] = {}
    for event in events:
        writer = str(event.__struct_config__.tag).partition(".")[0]
        if not event.epoch or isinstance(event, ReplyChunk) or writer not in {"stt", "turn", "llm"}:
            continue
        job = (writer, event.turn, event.revision) if writer == "llm" else (writer, 0, 0)
        assert event.epoch >= newest.get(job, 0), event
        newest[job] = event.epoch


async def expect_unharmed(crew: Crew, client: Client, unharmed: Samples, turns: int = 1) -> None:
    """All turns of a session were as if nothing had happened."""
    assert client.messages("error") == []
    expect_order(client)
    assert len(client.messages("turn_ended")) == turns
    for turn in range(1, turns + 1):
        expect_whole_reply(client, turn, unharmed)
    await until_spoken(crew, client)
    expect_sound_log(await crew.log(client))
    assert crew.unhandled() == {}


async def expect_taken_over(crew: Crew, client: Client, role: str) -> None:
    """A job of the session was in two workers' hands, one after the other, or soon is."""

    def is_second(event: Event) -> bool:
        return isinstance(event, Claimed) and event.role == role and event.delivery > 1

    await crew.until_recorded(client, is_second)


async def until_spoken(crew: Crew, client: Client) -> None:
    """Wait until the log has each sample of the replies that were spoken to their end.

    Who listens does not wait for the log: where a stream has no leader, what was heard meanwhile is
    stored when it has one, which may be after the turn's end. A reply that was begun and dropped
    for another one ends anywhere.
    """

    async def is_stored() -> bool:
        stored: Counter[tuple[int, int]] = Counter()
        done: dict[tuple[int, int], int] = {}
        offsets = set()
        for event in await crew.log(client):
            reply = event.turn, event.revision
            if isinstance(event, SpeechDone):
                done[reply] = event.samples
            elif isinstance(event, ReplyChunk) and (*reply, event.offset) not in offsets:
                offsets.add((*reply, event.offset))
                stored[reply] += len(event.pcm) // 2
        return bool(done) and all(stored[reply] == samples for reply, samples in done.items())

    await expect_eventually(is_stored, "each sample is stored", LIMIT_S)


async def until_over(client: Client, turn: int = 1) -> None:
    """Wait until a turn has ended well."""
    await client.until("turn_ended", within_s=LIMIT_S, turn=turn, outcome="completed")


async def unharmed_reply(crew: Crew) -> Samples:
    """Return the audio of a reply to which nothing happens."""
    async with connected(crew, {}) as client:
        await client.send("text", text="What of the sea?")
        await until_over(client)
    return audio_of(client, 1)
