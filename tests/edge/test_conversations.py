"""Conversations at /ws: what the client asks for, and what the edge asks of the workers."""

from __future__ import annotations

import json

import pytest
from websockets.asyncio.client import connect

from edge.settings import EdgeSettings
from schemas.conversation import Joined, LinkAsked, LinkMade
from schemas.failure import Failure
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from tests.edge.running import Scene, scene
from voicebus.conversations import ANYONE, digest_of, owner
from voicebus.errors import ConversationUnknown, LinkRefused

ID = "c" + 32 * "0"


async def asked(opened: Scene, **start: str) -> ConverseRequest:
    """Let the client begin; return what a worker is asked."""
    await opened.client.send("start", **start)
    request = await opened.until(ConverseRequest)
    assert isinstance(request, ConverseRequest)
    return request


async def test_a_client_learns_its_conversation_when_it_has_joined(nats_server: str) -> None:
    """A new one has an id that nobody can guess, and belongs to whoever came."""
    async with scene(nats_server) as opened:
        request = await asked(opened, conversation="new")
        assert request.join is not None
        await opened.say(Joined(conversation=request.join.conversation))
        metadata = await opened.client.until("metadata")

    assert request.join.begins
    assert request.join.owner == owner(*ANYONE)
    assert metadata["conversation_id"] == request.join.conversation
    assert len(metadata["conversation_id"]) == 33


async def test_a_session_without_a_conversation_waits_for_nobody(nats_server: str) -> None:
    """And is told of none."""
    async with scene(nats_server) as opened:
        request = await asked(opened)
        metadata = await opened.client.until("metadata")

    assert request.join is None
    assert request.transfers, "the client is told with whom it is to go on"
    assert "conversation_id" not in metadata


async def test_the_caller_is_heard_in_the_conversation_s_language(nats_server: str) -> None:
    """The recogniser is asked with what the turn worker says, not with what the client left out."""
    async with scene(nats_server) as opened:
        await asked(opened, conversation=ID)
        await opened.say(Joined(conversation=ID, settings=SessionSettings(language="ru")))
        await opened.client.until("metadata")
        await opened.client.send_raw(bytes(3200))
        request = await opened.until(TranscribeRequest)

    assert isinstance(request, TranscribeRequest)
    assert request.settings.language == "ru"


@pytest.mark.parametrize("error", [ConversationUnknown(), LinkRefused()])
async def test_who_may_not_join_is_told_and_closed(
    nats_server: str, error: ConversationUnknown | LinkRefused
) -> None:
    """Instead of metadata; there is no session then."""
    async with scene(nats_server) as opened:
        await asked(opened, conversation=ID)
        await opened.say(Failure(stage="turn", code=error.code, message=str(error)))
        told = await opened.client.until("error")
        closed = await opened.client.until_closed()

    assert (told["code"], told["message"]) == (error.code, str(error))
    assert closed == 1008
    assert not opened.client.messages("metadata")


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ({"conversation": "c1"}, "conversation_unknown"),
        ({"link_code": "0000-0000"}, "link_refused"),
        ({"link_code": "ABC"}, "link_refused"),
    ],
)
async def test_what_cannot_be_an_id_or_a_code_costs_no_worker_anything(
    nats_server: str, start: dict[str, str], code: str
) -> None:
    """It is refused at the door, in the same words."""
    async with scene(nats_server) as opened:
        await opened.client.send("start", **start)
        told = await opened.client.until("error")

    assert told["code"] == code
    assert opened.said(ConverseRequest) == []


async def test_a_client_names_a_conversation_or_a_code(nats_server: str) -> None:
    """Both are a contradiction; it may try again on the same socket."""
    async with scene(nats_server) as opened:
        await opened.client.send("start", conversation="new", link_code="K7QF3MXZ")
        told = await opened.client.until("error")

    assert told["code"] == "bad_field"


async def test_a_flood_of_codes_is_refused_at_the_door(nats_server: str) -> None:
    """Also from this machine: no worker hears of the one too many."""
    async with scene(nats_server, EdgeSettings(codes_per_min=1)) as opened:
        await asked(opened, link_code="aaaa-aaaa")
        await opened.say(Failure(stage="turn", code=LinkRefused.code, message="no"))
        await opened.client.until_closed()
        again = await opened.enter(connect(opened.url, proxy=None, close_timeout=1))
        await again.send('{"type":"start","link_code":"bbbb-bbbb"}')
        told = json.loads(await again.recv())

    assert (told["code"], told["retryable"]) == ("too_many_codes", True)
    assert len(opened.said(ConverseRequest)) == 1


async def test_only_the_client_learns_a_code(nats_server: str) -> None:
    """The bus has its digest; what somebody else asked for is not told."""
    async with scene(nats_server) as opened:
        await asked(opened, conversation=ID)
        await opened.say(Joined(conversation=ID))
        await opened.client.until("metadata")
        await opened.client.send("link")
        wanted = await opened.until(LinkAsked)
        assert isinstance(wanted, LinkAsked)
        await opened.say(LinkMade(digest="another", expires_s=300))
        await opened.say(LinkMade(digest=wanted.digest, expires_s=300))
        told = await opened.client.until("link_code")

    assert digest_of(told["code"]) == wanted.digest
    assert (len(told["code"]), told["code"][4], told["expires_s"]) == (9, "-", 300)
    assert len(opened.client.messages("link_code")) == 1
