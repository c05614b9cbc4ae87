"""POST /v1/responses: a conversation in items, answered in items; and what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from starlette.responses import JSONResponse, Response

from edge.errand import Errand
from edge.openai.endpoint import Call
from edge.openai.errors import BadRequest, refusal
from edge.openai.responses_answer import Answer
from edge.openai.responses_request import ResponsesRequest, generate, messages
from edge.openai.stream import begun_events, event
from schemas.llm import Message
from voicebus.errors import VoicebusError

_WRITES: Final = "llm"


async def create(call: Call) -> Response:
    """Answer.

    Raises:
        BadRequest: It asks for what there is not.
        VoicebusError: There is no answer.
    """
    asked = await call.json(ResponsesRequest)
    model = await call.api.names.model(asked.model, _WRITES)
    chat = (*_past(call, asked), *messages(asked.input))
    request = generate(asked, chat, model, call.api.settings.max_tokens)
    errand = await call.errand(_WRITES)
    await errand.ask(request)
    exchange = _Exchange(call, asked, chat, Answer(asked, request))
    if asked.stream:
        return await begun_events(exchange.events(errand), call.api.settings.keepalive_s)
    return JSONResponse(await exchange.whole(errand))


async def retrieve(call: Call) -> Response:
    """Return a past response.

    Raises:
        BadRequest: ``response_not_found``.
    """
    name = call.request.path_params["response"]
    past = call.api.remembered.find(name, call.owner)
    if past is None:
        raise _unknown(name)
    return JSONResponse(past.response)


async def delete(call: Call) -> Response:
    """Forget a past response.

    Raises:
        BadRequest: ``response_not_found``.
    """
    name = call.request.path_params["response"]
    if not call.api.remembered.forget(name, call.owner):
        raise _unknown(name)
    return JSONResponse({"id": name, "object": "response", "deleted": True})


class _Exchange:
    """One request and its response."""

    def __init__(
        self, call: Call, asked: ResponsesRequest, chat: tuple[Message, ...], answer: Answer
    ) -> None:
        self._call = call
        self._asked = asked
        self._chat = chat
        self._answer = answer

    async def whole(self, errand: Errand) -> dict[str, object]:
        """Return the response once it is complete."""
        async for said in errand.events():
            self._answer.take(said)
            if self._answer.status != "in_progress":
                break
        self._keep()
        return self._answer.whole()

    async def events(self, errand: Errand) -> AsyncGenerator[bytes, None]:
        """Yield the response's events; what fails behind the first one is told by the last one."""
        answer = self._answer
        is_begun = False
        try:
            async for said in errand.events():
                told = answer.take(said) if is_begun else [*answer.begin(), *answer.take(said)]
                is_begun = True
                for one in told:
                    yield event(one, one["type"])
                if answer.status != "in_progress":
                    break
        except VoicebusError as err:
            if not is_begun:
                raise
            for one in answer.fail(refusal(err).error):
                yield event(one, one["type"])
            return
        self._keep()

    def _keep(self) -> None:
        if self._asked.store is not False:
            chat = (*self._chat, self._answer.message())
            self._call.api.remembered.keep(self._call.owner, chat, self._answer.whole())


def _past(call: Call, asked: ResponsesRequest) -> tuple[Message, ...]:
    name = asked.previous_response_id
    if not name:
        return ()
    past = call.api.remembered.find(name, call.owner)
    if past is None:
        raise BadRequest(
            f"There is no response `{name}` here any more; send the conversation again.",
            "previous_response_id",
            "previous_response_not_found",
        )
    return past.chat


def _unknown(name: str) -> BadRequest:
    return BadRequest(f"There is no response `{name}`.", "response_id", "response_not_found")
