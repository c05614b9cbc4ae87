"""What a client asks of chat completions, and what becomes of it on the bus.

The API: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from edge.openai.depth import is_deep
from edge.openai.errors import BadRequest
from schemas.llm import GenerateRequest, Message, Sampling, Tool, ToolCall

MAX_CHOICES: Final = 8
"""Most answers to one request: each holds a place of a worker."""

Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Tokens = Annotated[int, Meta(ge=1, le=2**31)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
FunctionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
StopText = Annotated[str, Meta(min_length=1)]
StopTexts = Annotated[list[StopText], Meta(max_length=16)]


class Part(Struct, kw_only=True):
    """A part of a message: of those that there are, a text."""

    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(Struct, kw_only=True):
    """What the assistant wanted to be called."""

    name: str
    arguments: str = ""


class AssistantCall(Struct, kw_only=True):
    """A call in a message of the assistant's."""

    id: str
    function: CalledFunction


class ChatMessage(Struct, kw_only=True):
    """A message as it comes."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[AssistantCall] | None = None
    tool_call_id: str | None = None


class Function(Struct, kw_only=True):
    """A function that may be called."""

    name: FunctionName
    description: str | None = None
    parameters: Raw = msgspec.field(default_factory=Raw)
    strict: bool | None = None


class ChatTool(Struct, kw_only=True):
    """A tool: of those that there are, a function."""

    type: str
    function: Function | None = None


class NamedFunction(Struct, kw_only=True):
    """The name of a function."""

    name: str


class NamedTool(Struct, kw_only=True):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(Struct, kw_only=True):
    """What is streamed besides the answer."""

    include_usage: bool | None = None


class ChatAudio(Struct, kw_only=True):
    """How the answer is spoken."""

    voice: str | dict[str, Any] = ""
    format: Literal["wav", "mp3", "flac", "opus", "aac", "pcm16"] = "wav"


class ChatRequest(Struct, kw_only=True):
    """The body. What is not here is passed over."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[ChatTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: str | StopTexts | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    logprobs: bool | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: ChatAudio | None = None

    @property
    def is_spoken(self) -> bool:
        """Whether the answer is to be spoken, too."""
        return "audio" in (self.modalities or ())

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the count of tokens."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


def generate(asked: ChatRequest, model: str, max_tokens: int) -> GenerateRequest:
    """Return what a worker is asked.

    Args:
        asked: The body.
        model: The model that is meant.
        max_tokens: Bound of the reply if the body sets none.

    Raises:
        BadRequest: It asks for what there is not.
    """
    if asked.logprobs:
        raise BadRequest("Log probabilities are not available here.", "logprobs", "unsupported")
    tool_choice, tool_name = _choice(asked)
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    return GenerateRequest(
        messages=tuple(_message(said, at) for at, said in enumerate(asked.messages)),
        model=model,
        max_tokens=asked.max_completion_tokens or asked.max_tokens or max_tokens,
        temperature=-1.0 if asked.temperature is None else asked.temperature,
        spoken=asked.is_spoken,
        sampling=Sampling(
            top_p=asked.top_p,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            seed=asked.seed,
            stop=tuple(text for text in stop if text),
        ),
        tools=tuple(_tool(tool, at) for at, tool in enumerate(asked.tools or ())),
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=response_format(asked.response_format, "response_format"),
        tool_choice=tool_choice,
        tool_name=tool_name,
    )


def response_format(wanted: dict[str, Any] | None, param: str) -> str:
    """Return the format as the worker is told it; empty for text.

    Raises:
        BadRequest: There is no such format, or its schema is none.
    """
    match wanted:
        case None | {"type": "text"}:
            return ""
        case {"type": "json_object"}:
            return '{"type":"json_object"}'
        case {"type": "json_schema", "json_schema": {"schema": dict()}}:
            return msgspec.json.encode(wanted).decode()
    raise BadRequest("Expected text, json_object, or json_schema with a schema.", param)


def _choice(asked: ChatRequest) -> tuple[str, str]:
    """Return what is to be called: how it is chosen, and the one function that it must be."""
    named = {tool.function.name for tool in asked.tools or () if tool.function is not None}
    match asked.tool_choice:
        case NamedTool():
            name = asked.tool_choice.function.name
            if name not in named:
                raise BadRequest(f"There is no tool `{name}` in `tools`.", "tool_choice")
            return "", name
        case "required" if not named:
            raise BadRequest("A tool is required, and there is none in `tools`.", "tool_choice")
        case str():
            return asked.tool_choice, ""
    return "", ""


def _message(said: ChatMessage, at: int) -> Message:
    calls = [
        ToolCall(index=n, id=call.id, name=call.function.name, arguments=call.function.arguments)
        for n, call in enumerate(said.tool_calls or ())
    ]
    content = _content(said.content, at)
    if said.role == "tool" and not said.tool_call_id:
        raise BadRequest("A tool's message needs its call.", f"messages[{at}].tool_call_id")
    if said.content is None and not (said.role == "assistant" and calls):
        raise BadRequest("A message needs a content.", f"messages[{at}].content")
    return Message(
        # Few chat templates know the newer name.
        role="system" if said.role == "developer" else said.role,
        content=content,
        tool_calls=tuple(calls),
        tool_call_id=said.tool_call_id or "",
        name=said.name or "",
    )


def _content(content: str | list[Part] | None, at: int) -> str:
    if not isinstance(content, list):
        return content or ""
    texts: list[str] = []
    for number, part in enumerate(content):
        text = part.refusal if part.type == "refusal" else part.text
        if part.type not in {"text", "refusal"} or text is None:
            place = f"messages[{at}].content[{number}]"
            raise BadRequest(f"Parts of type `{part.type}` are not understood.", place)
        texts.append(text)
    return "".join(texts)


def _tool(tool: ChatTool, at: int) -> Tool:
    if tool.type != "function" or tool.function is None:
        raise BadRequest("Tools are functions here.", f"tools[{at}]")
    function = tool.function
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=schema(function.parameters, f"tools[{at}].function.parameters"),
        strict=bool(function.strict),
    )


def schema(raw: Raw, param: str) -> str:
    """Return a JSON schema as the client wrote it; empty for none.

    Raises:
        BadRequest: It is no object.
    """
    if bytes(raw) in {b"", b"null"}:
        return ""
    try:
        # What is kept as it came was not looked at when the body was read.
        text = bytes(raw).decode()
        read = msgspec.json.decode(text)
        if isinstance(read, dict) and not is_deep(read):
            return text
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise BadRequest("Expected a JSON schema.", param)
