"""Any server with OpenAI's chat API, streamed: llama.cpp, vLLM, Ollama, or a cloud.

The API: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx2
import openai
from msgspec import Struct
from openai.types.chat import ChatCompletionChunk

from schemas.llm import GenerateRequest, Message
from services.llm import chat
from services.llm.engine import Piece
from voicebus.errors import (
    ConfigError,
    ContextTooLong,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
    EngineUnavailable,
    RequestRefused,
)

_AFTER_FINISH_S = 0.5
_CLOSE_S = 0.04
_GO_ON: Final = {"continue_final_message": True, "add_generation_prompt": False}
# vLLM wants both, and llama.cpp, which goes on without being told, takes them.
_OVERLOADED_CODES = frozenset({"429", "503", "rate_limit_exceeded", "overloaded_error"})


class OpenAISettings(Struct, frozen=True, kw_only=True):
    """Which server, and how long to wait for it.

    Fields
        base_url: Address up to and including the version, ``http://127.0.0.1:8080/v1``.
        model: Model of requests that name none; empty for the first that the server lists.
        api_key: Secret for the server; empty for one that wants none.
        max_tokens: Bound of replies whose request sets none.
        temperature: Of requests that set none.
        max_tokens_field: What the server calls its bound; OpenAI's newer models refuse the
            older name, other servers may not know the newer one.
        counts_tokens: Whether the server is asked for its count; False for one that refuses that.
        extra_body: Further fields of the body, for one server only: ``{"cache_prompt": true}``.
        prefill: Whether the server goes on behind a last message of the assistant's.
        warm_prompt: System message of the warming request. The conversations' own, so that its
            tokens are in the server's prompt cache before the first of them begins.
        connect_timeout_s: For the connection.
        first_token_timeout_s: From the request to the first text.
        next_token_timeout_s: From one sign of life to the next.
    """

    base_url: str
    model: str = ""
    api_key: str = ""
    max_tokens: int = 120
    temperature: float = 0.0
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    counts_tokens: bool = True
    extra_body: dict[str, Any] = {}
    prefill: bool = False
    warm_prompt: str = ""
    connect_timeout_s: float = 3.0
    first_token_timeout_s: float = 15.0
    next_token_timeout_s: float = 5.0


class OpenAIEngine:
    """An :class:`services.llm.engine.Engine` over HTTP.

    Raises:
        ConfigError: ``base_url`` is not an http or https address.
    """

    name = "openai"
    synthetic = False

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._model = settings.model
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
    def continues(self) -> bool:
        """Whether the server can be given the beginning of an answer."""
        return self._settings.prefill

    @property
    def max_tokens(self) -> int:
        """Bound of replies whose request sets none."""
        return self._settings.max_tokens

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Piece, None]:
        """Stream the reply; see :meth:`services.llm.engine.Engine.generate`."""
        settings = self._settings
        model = request.model or self._model
        clock = asyncio.get_running_loop().time
        deadline = clock() + settings.first_token_timeout_s
        async with contextlib.AsyncExitStack() as stack:
            with _translated(model):
                async with asyncio.timeout_at(deadline):
                    stream = await self._open(request, model)
            stack.push_async_callback(_close, stream)
            spoken = False
            while True:
                with _translated(model):
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(stream, None)
                if chunk is None:
                    raise EngineError("The language model broke off in the middle of its reply.")
                text, reason = chat.content(chunk)
                calls = chat.tool_calls(chunk)
                if text or calls:
                    spoken = True
                    yield Piece(text=text, tool_calls=calls)
                if reason:
                    tokens, asked = await _tokens(chunk, stream)
                    yield Piece(text="", finish_reason=reason, tokens=tokens, prompt_tokens=asked)
                    return
                if spoken:
                    deadline = clock() + settings.next_token_timeout_s

    async def warm(self) -> None:
        """Choose the server's first model if none is set; generate one token."""
        if not self._model:
            self._model = await self._first_model()
        prompt = self._settings.warm_prompt
        head = (Message(role="system", content=prompt),) if prompt else ()
        messages = (*head, Message(role="user", content="Hello"))
        async for _ in self.generate(GenerateRequest(messages=messages, max_tokens=1)):
            pass

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _first_model(self) -> str:
        with _translated(""):
            async with asyncio.timeout(self._settings.first_token_timeout_s):
                listed = await self._client.models.list()
        if not listed.data:
            raise EngineUnavailable("The language model server has no model.")
        return listed.data[0].id

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
        if settings.prefill and request.messages[-1].role == "assistant":
            body |= _GO_ON
        if settings.counts_tokens:
            body["stream_options"] = {"include_usage": True}
        asked = request.temperature
        messages: Any = [chat.message(said) for said in request.messages]
        return await self._client.chat.completions.create(
            model=model or "default",
            messages=messages,
            temperature=asked if asked >= 0 else settings.temperature,
            stream=True,
            extra_body=body,
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


async def _tokens(
    last: ChatCompletionChunk, stream: openai.AsyncStream[ChatCompletionChunk]
) -> tuple[int, int]:
    """Return how many tokens the server counted; it says so in or behind the last chunk.

    The reply is complete, so whatever goes wrong in here is of no interest.
    """
    found = chat.counted(last)
    with contextlib.suppress(TimeoutError, openai.OpenAIError, ValueError):
        async with asyncio.timeout(_AFTER_FINISH_S):
            async for chunk in stream:
                found = max(found, chat.counted(chunk))
    return found


async def _close(stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
    # The peer of a TLS connection may let us wait for its farewell.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await stream.close()


@contextlib.contextmanager
def _translated(model: str) -> Iterator[None]:
    """Turn the client's errors into ours. Upstream texts stay out: they may hold secrets."""
    try:
        yield
    except (TimeoutError, openai.APITimeoutError) as err:
        if isinstance(err.__cause__, httpx2.ConnectTimeout):
            raise EngineUnavailable("The language model cannot be reached.") from err
        raise EngineTimeout("The language model did not answer in time.") from err
    except openai.APIStatusError as err:
        raise _of_status(err, model) from err
    except openai.APIConnectionError as err:
        if isinstance(err.__cause__, httpx2.ConnectError):
            raise EngineUnavailable("The language model cannot be reached.") from err
        raise EngineError("The connection to the language model broke.") from err
    except openai.APIError as err:
        if str(err.code) in _OVERLOADED_CODES:
            raise EngineOverloaded("The language model is overloaded.") from err
        raise EngineError("The language model reported an error in its reply.") from err
    except (httpx2.HTTPError, httpx2.StreamError, ValueError) as err:
        raise EngineError("The language model sent something that is no reply.") from err


def _of_status(err: openai.APIStatusError, model: str) -> EngineError:
    match err.status_code:
        case 401 | 403:
            failure: EngineError = EngineUnavailable(
                "The language model server refused our credentials."
            )
        case 404:
            failure = EngineError(f"The language model server has no model {model!r}.")
        case 408 | 504:
            failure = EngineTimeout("The language model did not answer in time.")
        case 429 | 503:
            wait = err.response.headers.get("retry-after", "")
            when = f" Come back in {wait} s." if wait.isascii() and wait.isdigit() else ""
            failure = EngineOverloaded(f"The language model is overloaded.{when}")
        case status if status >= 500:
            failure = EngineUnavailable("The language model server failed.")
        case status if status == 413 or "context" in f"{err.code} {err.type}":
            failure = ContextTooLong("The conversation is too long for the language model.")
        case 400 | 422:
            failure = RequestRefused("The language model server refused the request.")
        case _:
            failure = EngineError("The language model server refused the request.")
    return failure
