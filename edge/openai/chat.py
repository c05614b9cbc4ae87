"""POST /v1/chat/completions: a chat in, the model's answer out; in writing, or spoken as well."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from starlette.responses import JSONResponse, Response

from edge.errand import Errand
from edge.openai import chat_audio
from edge.openai.chat_answer import Completion
from edge.openai.chat_request import ChatRequest, generate
from edge.openai.endpoint import Call
from edge.openai.reply import Reply
from edge.openai.stream import DONE, begun_events, event
from schemas.llm import GenerateRequest

_WRITES: Final = "llm"


async def create(call: Call) -> Response:
    """Answer a chat.

    Raises:
        BadRequest: It asks for what there is not.
        LimitReached: Each of its answers is a turn, and that is too many.
        VoicebusError: There is no answer.
    """
    asked = await call.json(ChatRequest)
    model = await call.api.names.model(asked.model, _WRITES)
    request = generate(asked, model, call.api.settings.max_tokens)
    if asked.is_spoken:
        return await _speak(call, asked, request)
    errand = await call.errand(_WRITES)
    replies = [Reply() for _ in range(asked.n or 1)]
    for _ in replies[1:]:  # the errand has counted one
        call.visit.begin_turn()
    for number in range(len(replies)):
        await errand.ask(msgspec.structs.replace(request, turn=number + 1))
    completion = Completion(asked.model, replies)
    if asked.stream:
        streamed = _streamed(errand, completion, wants_usage=asked.wants_usage)
        return await begun_events(streamed, call.api.settings.keepalive_s)
    async for said in errand.events():
        completion.take(said)
        if completion.is_complete:
            break
    return JSONResponse(completion.whole())


async def _speak(call: Call, asked: ChatRequest, request: GenerateRequest) -> Response:
    chosen = await chat_audio.spoken(call, asked)
    errand = await call.errand(*chat_audio.ROLES)
    await errand.ask(msgspec.structs.replace(request, turn=1))
    await errand.ask(chosen.request)
    recording = chat_audio.recording_of(call, chosen)
    speech = chat_audio.Speech(Completion(asked.model, [Reply()]), recording)
    if asked.stream:
        streamed = speech.events(errand, wants_usage=asked.wants_usage)
        return await begun_events(streamed, call.api.settings.keepalive_s)
    return JSONResponse(await speech.whole(errand))


async def _streamed(
    errand: Errand, completion: Completion, *, wants_usage: bool
) -> AsyncGenerator[bytes, None]:
    async for said in errand.events():
        for chunk in completion.take(said):
            yield event({**chunk, "usage": None} if wants_usage else chunk)
        if completion.is_complete:
            break
    if wants_usage:
        yield event(completion.usage_chunk())
    yield DONE
