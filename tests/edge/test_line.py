"""A session that outlives its socket: nothing is lost and nothing comes twice."""

from __future__ import annotations

import asyncio

from schemas.audio import AudioChunk
from schemas.llm import TokenDelta
from schemas.session import KeysPressed, PlaybackEnded
from schemas.tts import ReplyChunk, SpeechDone
from schemas.turn import TurnEnded, TurnStarted
from tests.edge.handset import RATE_HZ, SAMPLES, begin, cut, frame, socket, speech
from tests.edge.running import scene
from tests.metered import Growth


async def test_what_was_said_meanwhile_comes_when_the_client_is_back(nats_server: str) -> None:
    """Words and audio that were told to nobody are told once, in their order."""
    growth = Growth()
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.say(TurnStarted(turn=1, text="x", typed=True), *speech(1, 2))
        await opened.client.until("latency")
        await cut(opened, handset)
        await opened.say(TokenDelta(turn=1, text="Plenty."), *speech(1, 2, first=2))
        await opened.say(SpeechDone(turn=1, samples=4 * RATE_HZ // 10, rate_hz=RATE_HZ))
        async with socket(opened.url, handset.resume()) as client:
            await client.until("audio_complete")
            handset.note(client)
        assert client.messages("resumed") == [{"type": "resumed", "frames": 0}]

    audio = b"".join(one for one in handset.told if isinstance(one, bytes))
    assert audio == b"".join(one.pcm for one in speech(1, 4) if isinstance(one, ReplyChunk))
    kinds = [kind for kind in handset.kinds() if kind not in ("audio", "latency")]
    assert kinds == [
        *("metadata", "ready", "turn_started", "audio_start", "reply_text", "audio_complete")
    ]
    assert growth.of("voicebus_sessions_resumed_total") == 1


async def test_what_was_sent_and_did_not_arrive_is_sent_again(nats_server: str) -> None:
    """A client counts from any frame that it really has, not from what the server believes."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.say(TurnStarted(turn=1, text="x", typed=True), *speech(1, 5))
        await opened.client.until("latency")  # comes with the first sound
        async with asyncio.timeout(10):
            while sum(isinstance(heard, bytes) for heard in opened.client.heard) < 5:
                await asyncio.sleep(0.01)
        await cut(opened, handset)
        whole, first = handset.told, 4  # metadata, ready, turn_started, audio_start
        handset.told, handset.received = whole[:first], first
        async with socket(opened.url, handset.resume()) as client:
            await client.send("ping")
            await client.until("pong")
            handset.note(client)

    assert handset.told[: len(whole)] == whole
    assert handset.kinds()[len(whole) :] == ["pong"]


async def test_the_client_learns_which_of_its_frames_came(nats_server: str) -> None:
    """It sends the rest again: the caller's words reach the bus once and without a gap."""
    async with scene(nats_server) as opened:
        handset = await begin(opened, input={"format": "pcm_s16le"})
        for number in range(5):
            await opened.client.send_raw(frame(number))
        await opened.client.send("keys", digits="1")
        await opened.until(KeysPressed)
        await cut(opened, handset)
        async with socket(opened.url, handset.resume()) as client:
            resumed = await client.until("resumed")
            for number in range(resumed["frames"] - 1, 8):
                await client.send_raw(frame(number))
            await opened.until(AudioChunk, 8)
            await client.until("ack", frames=9)
        chunks = opened.said(AudioChunk)

    assert resumed["frames"] == 6, "messages count, too"
    assert [event.offset for event in chunks if isinstance(event, AudioChunk)] == [
        number * SAMPLES for number in range(8)
    ]
    assert b"".join(c.pcm for c in chunks if isinstance(c, AudioChunk)) == b"".join(
        frame(number) for number in range(8)
    )


async def test_frames_that_break_the_rules_are_counted(nats_server: str) -> None:
    """The client counts what it sends; whether it was understood is another matter."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await opened.client.send_raw("no JSON at all")
        await opened.client.send("unheard_of")
        await opened.client.until("error", 2)
        await cut(opened, handset)
        async with socket(opened.url, handset.resume()) as client:
            resumed = await client.until("resumed")

    assert resumed["frames"] == 2


async def test_audio_is_acknowledged_when_the_bus_has_stored_it(nats_server: str) -> None:
    """Acknowledgements come while audio does, a few a second, up to the last frame."""
    async with scene(nats_server) as opened:
        await begin(opened, input={"format": "pcm_s16le"})
        for number in range(50):
            await opened.client.send_raw(frame(number))
            await asyncio.sleep(0.01)
        await opened.client.until("ack", frames=50)
        acks = [message["frames"] for message in opened.client.messages("ack")]

    assert acks == sorted(acks)
    assert len(acks) <= 8
    assert not any("seq" in message for message in opened.client.messages("ack"))


async def test_half_a_file_is_not_acknowledged(nats_server: str) -> None:
    """What only the decoder has would be lost with this edge."""
    async with scene(nats_server) as opened:
        await begin(opened)
        await opened.client.send_raw(b"RIFF")
        await opened.client.send("ping")
        await opened.client.until("ack", frames=0)
        await opened.client.send("end_stream")
        acknowledged = await opened.client.until("ack", frames=3)

    assert acknowledged


async def test_ten_cuts_lose_nothing_and_double_nothing(nats_server: str) -> None:
    """A client on a bad train hears every word once, and every word of it is heard once."""
    async with scene(nats_server) as opened:
        handset = await begin(opened, input={"format": "pcm_s16le"})
        await opened.say(TurnStarted(turn=1, text="x", typed=True))
        await opened.client.until("turn_started")
        client, sent = opened.client, 0
        for number in range(10):
            for _ in range(3):
                await client.send_raw(frame(sent))
                sent += 1
            await opened.say(
                TokenDelta(turn=1, seq=number, text=str(number)), *speech(1, 1, number)
            )
            await asyncio.sleep(0.003 * number)
            await cut(opened, handset, client)
            async with asyncio.timeout(5):
                client = await opened.enter(socket(opened.url, handset.resume()))
            sent = (await client.until("resumed"))["frames"]
        while sent < 30:
            await client.send_raw(frame(sent))
            sent += 1
        await opened.until(AudioChunk, 30)
        await opened.say(TurnEnded(turn=1, outcome="completed"))
        await client.until("turn_ended")
        handset.note(client)

    text = "".join(m["text"] for m in handset.told if isinstance(m, dict) and "text" in m)
    audio = b"".join(one for one in handset.told if isinstance(one, bytes))
    said = b"".join(event.pcm for event in opened.said(AudioChunk) if isinstance(event, AudioChunk))
    assert text == "x0123456789"
    assert audio == b"".join(one.pcm for one in speech(1, 10) if isinstance(one, ReplyChunk))
    assert said == b"".join(frame(number) for number in range(30))


async def test_what_was_not_played_is_not_heard(nats_server: str) -> None:
    """A reply that never reached the client ends after it has, however long that takes."""
    async with scene(nats_server) as opened:
        handset = await begin(opened)
        await cut(opened, handset)
        await opened.say(TurnStarted(turn=1, text="x", typed=True), *speech(1, 2))
        await opened.say(SpeechDone(turn=1, samples=2 * RATE_HZ // 10, rate_hz=RATE_HZ))
        await asyncio.sleep(0.5)
        before = opened.said(PlaybackEnded)
        async with socket(opened.url, handset.resume()) as client:
            await client.until("audio_complete")
            heard = await opened.until(PlaybackEnded)

    assert before == []
    assert heard == PlaybackEnded(turn=1, played_ms=200, estimated=True, seq=heard.seq)
