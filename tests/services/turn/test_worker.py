"""The turn worker on a real bus: it catches up with the log, and then leads the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from schemas.codec import decode
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, GenerationDone
from schemas.session import CancelAsked, PlaybackEnded, SessionClosed, SessionOpened, UserText
from schemas.settings import SessionSettings
from schemas.stt import (
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, SpeakRequest, SpeechDone
from schemas.turn import ConverseRequest, ReplyPaused, TurnCancelled, TurnEnded, TurnStarted
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import CATALOG, Place, subject_of
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import ProtocolError

SAID = (TurnStarted, TurnCancelled, ReplyPaused, GenerateRequest, SpeakRequest, Failure)
FINAL = TranscriptFinal(utterance=1, text="hello", start_ms=0, end_ms=900, end_offset=14_400)


class Session:
    """A session with a turn worker, seen from outside."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox, leading: asyncio.Task[None]) -> None:
        self.bus = bus
        self.place = place
        self.leading = leading
        self._inbox = inbox

    async def tell(self, *events: Event) -> None:
        """Let this happen in the session."""
        for event in events:
            if CATALOG[type(event)].stream:
                await self.bus.store(event, self.place)
            else:
                await self.bus.publish(event, self.place)

    async def says(self, number: int) -> dict[str, Event]:
        """Wait for so many messages of the worker; return them by kind."""
        heard = {}
        for _ in range(number):
            _, event = await asyncio.wait_for(self._inbox.next(), 3)
            heard[type(event).__name__] = event
        return heard

    async def is_silent(self) -> bool:
        """Whether the worker says nothing more."""
        await asyncio.sleep(0.15)
        await self.bus.flush()
        return len(self._inbox) == 0


@asynccontextmanager
async def session(
    url: str,
    before: tuple[Event, ...] = (),
    attempt: int = 1,
    request: ConverseRequest = ConverseRequest(),  # noqa: B008 - frozen
    stall_s: float = 20.0,
) -> AsyncIterator[Session]:
    """Lead a conversation in whose log these events are already."""
    place = new_place()
    async with bus_in(url, place.cell) as bus:
        for event in before:
            await bus.store(event, place)
        async with bus.listen(*{subject_of(kind, place) for kind in SAID}) as inbox:
            await bus.flush()
            claim = await claim_on(bus, place, "turn", request, job="session", attempt=attempt)
            settings = TurnSettings(stall_s=stall_s)
            leading = asyncio.create_task(converse(claim, settings, Links()))
            yield Session(bus, place, inbox, leading)
            leading.cancel()
            await asyncio.wait((leading,))


async def test_a_final_is_answered_and_the_turn_ends_when_it_was_heard(nats_server: str) -> None:
    """Jobs for both stages, the start, and the end once the edge says that it was played."""
    async with session(nats_server) as led:
        await asyncio.sleep(0.1)
        await led.tell(FINAL)
        said = await led.says(3)
        assert set(said) == {"GenerateRequest", "SpeakRequest", "TurnStarted"}

        await led.tell(GenerationDone(turn=1, text="Hello."))
        await led.tell(SpeechDone(turn=1, samples=1, rate_hz=24_000))
        assert await led.is_silent()
        await led.tell(PlaybackEnded(turn=1, played_ms=500))
        ended = (await led.says(1))["TurnEnded"]

    assert isinstance(ended, TurnEnded)
    assert (ended.turn, ended.outcome, ended.reply) == (1, "completed", "Hello.")
    assert ended.epoch > 0


async def test_what_was_said_before_the_claim_is_answered_once(nats_server: str) -> None:
    """A client may type before a worker has its session."""
    before = (SessionOpened(), UserText(text="hello", seq=1))
    async with session(nats_server, before) as led:
        said = await led.says(3)

        assert said["TurnStarted"] == TurnStarted(
            turn=1, text="hello", typed=True, control=1, epoch=said["TurnStarted"].epoch
        )
        assert await led.is_silent()


async def test_the_same_words_typed_again_are_another_turn(nats_server: str) -> None:
    """They are told apart by their number."""
    async with session(nats_server, (UserText(text="yes", seq=1),)) as led:
        await led.says(3)
        await led.tell(UserText(text="yes", seq=2), PlaybackEnded(turn=1, played_ms=0))
        said = await led.says(5)

    assert said["TurnStarted"].turn == 2
    assert said["TurnCancelled"].turn == 1


async def test_a_takeover_goes_on_with_the_running_turn(nats_server: str) -> None:
    """Nobody is asked twice; the turn ends when its stages are done."""
    before = (SessionOpened(), FINAL, TurnStarted(turn=1, text="hello", utterance=1))
    async with session(nats_server, before, attempt=2) as led:
        assert set(await led.says(1)) == {"ReplyResumed"}
        assert await led.is_silent()
        await led.tell(GenerationDone(turn=1, text="Hello."))
        await led.tell(SpeechDone(turn=1, samples=1, rate_hz=24_000))
        await led.tell(PlaybackEnded(turn=1, played_ms=500))
        said = await led.says(1)

    assert set(said) == {"TurnEnded"}


async def test_a_takeover_knows_what_was_made_for_a_draft(nats_server: str) -> None:
    """It was made, and recorded, before its turn was said to have begun."""
    text = "One two."
    before = (
        SessionOpened(),
        GenerationDone(turn=1, revision=2, text=text),
        FINAL,
        ClauseSpoken(
            turn=1, revision=2, text=text, start_ms=0, end_ms=1000, word_ends_ms=(500, 1000)
        ),
        TurnStarted(turn=1, revision=2, text="hello", speculated=True, utterance=1),
    )
    async with session(nats_server, before, attempt=2) as led:
        assert set(await led.says(1)) == {"ReplyResumed"}
        await led.tell(CancelAsked(seq=1), PlaybackEnded(turn=1, played_ms=600))
        said = await led.says(2)

    ended = said["TurnEnded"]
    assert isinstance(ended, TurnEnded)
    assert (ended.revision, ended.outcome, ended.reply) == (2, "interrupted", "One")


async def test_a_draft_is_answered_unheard_and_released_by_its_final(nats_server: str) -> None:
    """The start of the turn is all that is said when the words did not change."""
    async with session(nats_server) as led:
        await asyncio.sleep(0.1)
        await led.tell(TranscriptDraft(utterance=1, text="hello", end_ms=900))
        assert set(await led.says(2)) == {"GenerateRequest", "SpeakRequest"}
        await led.tell(SpeechResumed(utterance=1, start_ms=1100))
        assert set(await led.says(1)) == {"TurnCancelled"}
        await led.tell(TranscriptDraft(utterance=1, text="hello", end_ms=1300))
        assert (await led.says(2))["GenerateRequest"].revision == 1
        await led.tell(msgspec.structs.replace(FINAL, end_ms=1300))
        started = (await led.says(1))["TurnStarted"]

    assert isinstance(started, TurnStarted)
    assert (started.revision, started.speculated) == (1, True)


async def test_the_caller_interrupts_with_words(nats_server: str) -> None:
    """The reply pauses with the first sound and ends with the first words."""
    words = TranscriptPartial(utterance=2, text="No.", start_ms=2000, end_ms=2700)
    async with session(nats_server, (FINAL,)) as led:
        await led.says(3)
        for event, answer in (
            (SpeechStarted(start_ms=2000), "ReplyPaused"),
            (words, "TurnCancelled"),
            (PlaybackEnded(turn=1, played_ms=0), "TurnEnded"),
        ):
            await led.tell(event)
            assert set(await led.says(1)) == {answer}


async def test_the_assistant_may_speak_first(nats_server: str) -> None:
    """A greeting is a turn, said once even when the worker changes."""
    request = ConverseRequest(settings=SessionSettings(greeting="Good morning."))
    async with session(nats_server, request=request) as led:
        assert (await led.says(2))["TurnStarted"].turn == 1
    before = (TurnStarted(turn=1, text="", said="Good morning."),)
    async with session(nats_server, before, attempt=2, request=request) as led:
        assert set(await led.says(1)) == {"ReplyResumed"}
        assert await led.is_silent()


async def test_a_takeover_begins_the_turn_that_the_log_lacks(nats_server: str) -> None:
    """The final was stored, and the worker before died before it asked anybody."""
    begun = TurnStarted(turn=1, text="hello", utterance=1)
    old = (FINAL, begun, TurnEnded(turn=1, outcome="interrupted"))
    before = (*old[:2], CancelAsked(seq=1), old[2], UserText(text="again", seq=2))
    async with session(nats_server, before, attempt=2) as led:
        said = await led.says(3)

        request = said["GenerateRequest"]
        assert isinstance(request, GenerateRequest)
        assert request.turn == 2
        assert [message.content for message in request.messages[1:]] == ["hello again"]
        assert await led.is_silent()


async def test_a_stalled_reply_is_given_up(nats_server: str) -> None:
    """The caller hears that the answer did not come, and the other stages stop."""
    async with session(nats_server, (FINAL,), stall_s=0.3) as led:
        await led.says(3)
        said = await led.says(2)
        await led.tell(PlaybackEnded(turn=1, played_ms=0))
        said |= await led.says(1)

    failure, ended = said["Failure"], said["TurnEnded"]
    assert isinstance(failure, Failure)
    assert (failure.code, failure.stage, failure.turn) == ("engine_timeout", "turn", 1)
    assert isinstance(ended, TurnEnded)
    assert ended.outcome == "failed"
    assert said["TurnCancelled"].turn == 1


@pytest.mark.parametrize("attempt", [1, 2])
async def test_a_closed_session_ends_the_work(nats_server: str, attempt: int) -> None:
    """Live, or found in the log."""
    before = (SessionOpened(), SessionClosed()) if attempt == 2 else ()
    async with session(nats_server, before, attempt) as led:
        await asyncio.sleep(0.1)
        if attempt == 1:
            await led.tell(SessionClosed())
        await asyncio.wait_for(led.leading, 2)

        assert led.leading.exception() is None


async def test_a_client_that_leaves_stops_the_reply(nats_server: str) -> None:
    """Nobody goes on speaking to an empty room."""
    async with session(nats_server, (FINAL,)) as led:
        await led.says(3)
        await led.tell(SessionClosed())
        said = await led.says(2)
        await asyncio.wait_for(led.leading, 2)

    assert set(said) == {"TurnCancelled", "TurnEnded"}


async def test_a_session_may_want_writing_only(nats_server: str) -> None:
    """No voice is asked for what nobody hears."""
    async with session(nats_server, (FINAL,), request=ConverseRequest(speak=False)) as led:
        said = await led.says(2)

        assert set(said) == {"GenerateRequest", "TurnStarted"}
        assert await led.is_silent()


async def test_the_jobs_wait_in_the_queue_under_turn_and_revision(nats_server: str) -> None:
    """An attempt is never mistaken for another."""
    async with session(nats_server, (FINAL,)) as led:
        await led.says(3)
        queued = [
            message.subject.rsplit(".", 1)[1]
            async for message in led.bus.read("JOBS", subject_of(GenerateRequest, led.place))
            if isinstance(decode(message.payload), GenerateRequest)
        ]

    assert queued == ["1-0"]


async def test_another_request_is_refused(nats_server: str) -> None:
    """A job on the wrong subject fails in words."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "turn", TranscribeRequest(), job="session")

        with pytest.raises(ProtocolError, match="TranscribeRequest"):
            await converse(claim, TurnSettings(), Links())
