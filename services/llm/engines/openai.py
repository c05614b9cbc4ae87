"""Any server with OpenAI's chat API, streamed: llama.cpp, vLLM, Ollama, or a cloud.

The API: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import openai
import structlog
from openai.types.chat import ChatCompletionChunk

from schemas.llm import GenerateRequest, Message, Tool
from services.llm import chat
from services.llm.engine import Piece
from services.llm.engines.openai_errors import translated
from services.llm.engines.openai_settings import OpenAISettings, simpler
from services.llm.engines.openai_tools import LOOK, Verdicts
from services.llm.prices import Counted
from voicebus.errors import (
    ConfigError,
    EngineError,
    EngineUnavailable,
    RequestRefused,
    UnknownModel,
)

__all__ = ["OpenAIEngine", "OpenAISettings"]

log: Final = structlog.get_logger()

_REFUSED: Final = (RequestRefused, UnknownModel)
"""How functions are refused: some say that the request is wrong, OpenRouter that no model does."""

_AFTER_FINISH_S = 0.5
_CLOSE_S = 0.04


class OpenAIEngine:
    """An :class:`services.llm.engine.Engine` over HTTP.

    Args:
        settings: Which server, and how it is asked.
        clock: The time, in seconds: whether a model takes functions is known for some minutes.

    Raises:
        ConfigError: ``base_url`` is not an http or https address.
    """

    name = "openai"
    synthetic = False

    def __init__(
        self, settings: OpenAISettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._model = settings.model
        self._listed: tuple[str, ...] = ()
        self._verdicts = Verdicts(clock)
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            # Never empty: the client would take another server's key from the environment.
            api_key=settings.api_key or "none",
            max_retries=0,
            http_client=_http_client(settings),
        )

    @property
    def model(self) -> str:
        """The model of requests that name none; known after ``warm`` if the settings name none."""
        return self._model

    @property
    def models(self) -> tuple[str, ...]:
        """The models that may be asked for by their names; known after ``warm``."""
        return tuple(dict.fromkeys(filter(None, (self._model, *self._listed))))

    @property
    def continues(self) -> bool:
        """Whether the server can be given the beginning of an answer."""
        return self._settings.prefill

    @property
    def max_tokens(self) -> int:
        """Bound of replies whose request sets none."""
        return self._settings.max_tokens

    def takes_tools(self, model: str) -> bool:
        """Say whether a model takes functions; see :class:`services.llm.engine.Engine`."""
        return self._verdicts.takes(model or self._model)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Stream the reply; see :meth:`services.llm.engine.Engine.generate`."""
        settings = self._settings
        model = request.model or self._model
        if request.tools and not self.takes_tools(model):
            request = chat.without_tools(request)
        clock = asyncio.get_running_loop().time
        deadline = clock() + settings.first_token_timeout_s
        async with contextlib.AsyncExitStack() as stack:
            try:
                with translated(model):
                    async with asyncio.timeout_at(deadline):
                        stream = await self._open(request, model)
            except _REFUSED:
                if request.tools:
                    await self._look_for_tools(model, deadline)
                raise
            stack.push_async_callback(_close, stream)
            numbering = chat.Calls()
            while True:
                with translated(model):
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(stream, None)
                if chunk is None:
                    raise EngineError("The language model broke off in the middle of its reply.")
                text, reason = chat.content(chunk)
                calls = numbering.numbered(chat.tool_calls(chunk))
                if text or calls:
                    yield Piece(text=text, tool_calls=calls)
                    # Nothing else counts: one that only thinks on, or says that it is alive, is
                    # silent for who listens.
                    deadline = clock() + settings.next_token_timeout_s
                if reason:
                    counted = await _counted(chunk, stream)
                    yield Piece(
                        text="",
                        finish_reason=numbering.reason(reason),
                        tokens=counted.tokens,
                        prompt_tokens=counted.prompt_tokens,
                        cached_tokens=counted.cached_tokens,
                        cost_usd=counted.cost_usd,
                    )
                    return

    async def warm(self) -> None:
        """Choose the server's first model if none is set; generate one token.

        A server that refuses so plain a request is asked with less and less in it: what it takes is
        what it gets from then on.
        """
        if not self._model or self._settings.lists_models:
            listed = await self._list()
            self._model = self._model or listed[0]
            self._listed = listed if self._settings.lists_models else ()
        try:
            await self._generate_one()
        except RequestRefused as refusal:
            await self._warm_with_less(refusal)

    async def _warm_with_less(self, refusal: RequestRefused) -> None:
        whole = self._settings
        for settings in simpler(whole):
            self._settings = settings
            try:
                await self._generate_one()
            except RequestRefused:
                continue
            kept = {name: getattr(settings, name) for name in settings.__struct_fields__}
            changed = sorted(name for name in kept if kept[name] != getattr(whole, name))
            log.warning("engine.asked_with_less", changed=changed, model=self._model)
            return
        self._settings = whole
        raise refusal

    async def _generate_one(self) -> None:
        prompt = self._settings.warm_prompt
        head = (Message(role="system", content=prompt),) if prompt else ()
        messages = (*head, Message(role="user", content="Hello"))
        async for _ in self.generate(GenerateRequest(messages=messages, max_tokens=1)):
            pass

    async def _look_for_tools(self, model: str, deadline: float) -> None:
        """Find out whether it is functions that a model refuses, and remember it for a while.

        By requests of our own: what one caller has in his takes no functions from the others.
        """
        if not self._verdicts.is_open(model):
            return
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout_at(deadline):
                if await self._is_taken(model, (LOOK,)):
                    self._verdicts.note(model, takes=True)
                elif await self._is_taken(model, ()):
                    self._verdicts.note(model, takes=False)
                    log.warning("engine.refuses_tools", model=model)

    async def _is_taken(self, model: str, tools: tuple[Tool, ...]) -> bool:
        messages = (Message(role="user", content="Hello"),)
        request = GenerateRequest(messages=messages, max_tokens=1, tools=tools)
        try:
            with translated(model):
                await _close(await self._open(request, model))
        except _REFUSED:
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _list(self) -> tuple[str, ...]:
        with translated(""):
            async with asyncio.timeout(self._settings.first_token_timeout_s):
                listed = await self._client.models.list()
        if not listed.data:
            raise EngineUnavailable("The language model server has no model.")
        return tuple(model.id for model in listed.data)

    async def _open(
        self, request: GenerateRequest, model: str
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        try:
            return await self._send(request, model)
        except openai.APIConnectionError as err:
            # A server may close a kept connection at the moment in which we write to it. Nothing
            # was answered yet, so asking once more on a new connection is safe (RFC 9112, 9.3.1).
            if not isinstance(err.__cause__, httpx2.RemoteProtocolError):
                raise
            return await self._send(request, model)

    async def _send(
        self, request: GenerateRequest, model: str
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        settings = self._settings
        bound = request.max_tokens if request.max_tokens > 0 else settings.max_tokens
        body: dict[str, Any] = {settings.max_tokens_field: bound, **settings.extra_body}
        body |= chat.fields(request)
        messages: Any = [chat.message(said) for said in request.messages]
        if settings.prefill and request.messages[-1].role == "assistant":
            body |= settings.prefill_as.body
            messages[-1] |= settings.prefill_as.message
        if settings.counts_tokens:
            body["stream_options"] = {"include_usage": True}
        is_either = settings.either_sampling and "top_p" in body
        if settings.sends_temperature and not is_either:
            asked = request.temperature
            body["temperature"] = asked if asked >= 0 else settings.temperature
        return await self._client.chat.completions.create(
            model=model or "default", messages=messages, stream=True, extra_body=body
        )


def _http_client(settings: OpenAISettings) -> openai.DefaultAsyncHttpxClient:
    url = urlsplit(settings.base_url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigError("The address of the language model must begin with http:// or https://.")
    # llama.cpp announces kept connections and closes each after a streamed reply: every second
    # request failed. A new connection costs a millisecond without TLS, and a lot with it.
    kept = 0 if url.scheme == "http" else 10
    slowest_s = max(settings.first_token_timeout_s, settings.next_token_timeout_s)
    return openai.DefaultAsyncHttpxClient(
        timeout=httpx2.Timeout(slowest_s + 1, connect=settings.connect_timeout_s),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=kept),
        # A proxy for the internet does not reach a server on this machine.
        trust_env=url.hostname not in {"127.0.0.1", "::1", "localhost"},
        follow_redirects=False,
    )


async def _counted(
    last: ChatCompletionChunk, stream: openai.AsyncStream[ChatCompletionChunk]
) -> Counted:
    """Return what the server counted; it says so in or behind the last chunk.

    The reply is complete, so whatever goes wrong in here is of no interest.
    """
    found = chat.counted(last)
    with contextlib.suppress(TimeoutError, openai.OpenAIError, ValueError):
        async with asyncio.timeout(_AFTER_FINISH_S):
            async for chunk in stream:
                found = chat.more(found, chat.counted(chunk))
    return found


async def _close(stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
    # The peer of a TLS connection may let us wait for its farewell.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await stream.close()
