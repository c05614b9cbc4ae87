"""Recording in a cluster, without one: what is sent, when, and with which headers."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from tests.workers import until
from voicebus.bus import recorder as recording
from voicebus.bus.acks import AckTracker, ApiError, Message, PubAck, Settled
from voicebus.bus.copies import LIVE_ID, MESSAGE_ID, MessageIds
from voicebus.bus.envelope import HEARD_BEFORE
from voicebus.bus.fence import Fence
from voicebus.bus.recorder import Recorder
from voicebus.errors import BusError, BusTimeout, BusUnavailable, Fenced

FENCE = Fence("claim", 7)
IN_FLIGHT = ApiError(code=400, err_code=10164)
OTHER_OWNER = ApiError(code=400, err_code=10071)


class Sent:
    """A server that is told what to answer."""

    def __init__(self) -> None:
        self.acks = AckTracker()
        self.recorder = Recorder(self.publish, MessageIds())
        self.messages: list[tuple[bytes, str, dict[str, str]]] = []
        self.outcomes: list[tuple[int, BusError | None]] = []

    async def publish(
        self, message: Message, settled: Settled | None = None, deadline_s: float = 0.0
    ) -> None:
        """Take a message."""
        number = self.acks.expect(message, settled, deadline_s) if message.stream else ""
        self.messages.append((message.payload, str(number), message.headers or {}))

    async def say(self, word: bytes, fence: Fence | None = FENCE) -> None:
        """Have a word published."""
        await self.recorder.publish(Message("SESSION", "s.token", word), fence, self.settled)

    def settled(self, sequence: int, error: BusError | None) -> None:
        """Note an outcome."""
        self.outcomes.append((sequence, error))

    def answer(self, index: int, sequence: int = 1, error: ApiError | None = None) -> None:
        """Answer the message that was sent so-and-so-manieth."""
        number = int(self.messages[index][1])
        ack = PubAck(stream="SESSION", seq=sequence, error=error)
        self.acks.answer(number, msgspec.json.encode(ack), no_responders=False)

    def to_store(self) -> list[bytes]:
        """What the store was asked to take, in order."""
        return [payload for payload, reply, _ in self.messages if reply]


async def test_a_message_goes_out_once_when_nothing_is_in_flight() -> None:
    """To those who listen and to the store at the same time, fenced."""
    sent = Sent()
    await sent.say(b"a")
    sent.answer(0, 12)
    await sent.say(b"b")

    assert sent.to_store() == [b"a", b"b"]
    assert len(sent.messages) == 2
    assert FENCE.headers().items() <= sent.messages[0][2].items()
    assert HEARD_BEFORE not in sent.messages[1][2]
    assert sent.outcomes == [(12, None)]


async def test_what_has_to_wait_for_the_store_is_heard_at_once() -> None:
    """In a way that no stream takes; its turn in the store comes when the first is settled."""
    sent = Sent()
    for word in (b"a", b"b", b"c"):
        await sent.say(word)
    assert [payload for payload, _, _ in sent.messages] == [b"a", b"b", b"c"]
    assert sent.to_store() == [b"a"]

    sent.answer(0)
    await until(lambda: sent.to_store() == [b"a", b"b"])
    sent.answer(3)
    await until(lambda: sent.to_store() == [b"a", b"b", b"c"])
    sent.answer(4)

    assert [HEARD_BEFORE in headers for _, _, headers in sent.messages] == [False] * 3 + [True] * 2
    assert len(sent.outcomes) == 3
    assert len(sent.recorder) == 0


async def test_a_refusal_for_now_is_no_refusal() -> None:
    """The store was busy with another write of the claim: the message comes again, unheard."""
    sent = Sent()
    await sent.say(b"a")
    sent.answer(0, error=IN_FLIGHT)
    await until(lambda: len(sent.messages) == 2)
    sent.answer(1, 5)

    first, second = (headers["Nats-Msg-Id"] for _, _, headers in sent.messages)
    assert first == second
    assert HEARD_BEFORE in sent.messages[1][2]
    assert sent.outcomes == [(5, None)]


async def test_silence_is_no_refusal_either() -> None:
    """While a leader is elected nobody answers. The store knows the message if it had it."""
    sent = Sent()
    await sent.say(b"a")
    sent.acks.expire(time.monotonic() + recording.TRY_S + 1)
    await until(lambda: len(sent.messages) == 2)

    assert sent.messages[0][2]["Nats-Msg-Id"] == sent.messages[1][2]["Nats-Msg-Id"]
    assert sent.outcomes == []


async def test_it_is_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who published it is told; the next one gets its turn."""
    monkeypatch.setattr(recording, "GIVE_UP_S", -1.0)
    sent = Sent()
    await sent.say(b"a")
    await sent.say(b"b")
    sent.acks.expire(time.monotonic() + recording.TRY_S + 1)
    await until(lambda: sent.to_store() == [b"a", b"b"])

    assert len(sent.outcomes) == 1
    assert isinstance(sent.outcomes[0][1], BusTimeout)


async def test_an_outdated_owner_is_told_of_each_write() -> None:
    """One is refused, and with it all that waits: nobody hears later what it had left."""
    sent = Sent()
    for word in (b"a", b"b", b"c"):
        await sent.say(word)
    await sent.say(b"d", Fence("claim", 8))
    sent.answer(0, error=OTHER_OWNER)
    await until(lambda: len(sent.to_store()) == 2)
    sent.answer(4)
    await asyncio.sleep(3 * recording.AGAIN_S)

    assert [type(error) for _, error in sent.outcomes] == [Fenced] * 3 + [type(None)]
    assert sent.to_store() == [b"a", b"d"]
    assert len(sent.recorder) == 0


async def test_nobody_can_take_the_id_of_what_waits_for_the_store() -> None:
    """Whoever published something else with it would have the message refused as a copy."""
    sent = Sent()
    for word in (b"a", b"b"):
        await sent.say(word)
    sent.answer(0)
    await until(lambda: len(sent.to_store()) == 2)
    live, stored = sent.messages[1][2][LIVE_ID], sent.messages[2][2][MESSAGE_ID]

    assert stored.startswith(live)
    assert len(stored) > len(live) + 8
    assert MESSAGE_ID not in sent.messages[1][2]


async def test_claims_do_not_wait_for_each_other() -> None:
    """The store's rule is about one claim."""
    sent = Sent()
    await sent.say(b"a", Fence("claim", 7))
    await sent.say(b"b", Fence("other", 8))
    await sent.say(b"c", None)

    assert sent.to_store() == [b"a", b"b", b"c"]


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that never answers does not fill the memory."""
    monkeypatch.setattr(recording, "MOST", 3)
    sent = Sent()
    for _ in range(3):
        await sent.say(b"a")

    with pytest.raises(BusUnavailable, match="too many"):
        await sent.say(b"b")
    assert len(sent.recorder) == 3
