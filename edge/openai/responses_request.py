"""What a client asks of responses, and what becomes of it on the bus.

The API: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from edge.openai.chat_request import (
    FunctionName,
    Share,
    Temperature,
    Tokens,
    response_format,
    schema,
)
from edge.openai.errors import BadRequest
from schemas.llm import GenerateRequest, Message, Sampling, Tool, ToolCall

_TEXTS = frozenset({"input_text", "output_text", "text", "refusal"})


class ItemPart(Struct, kw_only=True):
    """A part of an item: of those that there are, a text."""

    type: str
    text: str | None = None
    refusal: str | None = None


class Item(Struct, kw_only=True):
    """An item of the input: a message, a call, or the result of one."""

    type: str = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[ItemPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[ItemPart] | None = None


class FunctionTool(Struct, kw_only=True):
    """A tool: of those that there are, a function."""

    type: str
    name: FunctionName | None = None
    description: str | None = None
    parameters: Raw = msgspec.field(default_factory=Raw)
    strict: bool | None = None


class ChosenFunction(Struct, kw_only=True):
    """The one function that must be called."""

    type: Literal["function"]
    name: str


class TextOptions(Struct, kw_only=True):
    """What the text must be."""

    format: dict[str, Any] | None = None


Metadata = Annotated[dict[str, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)]


class ResponsesRequest(Struct, kw_only=True):
    """The body. What is not here is passed over."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    previous_response_id: str | None = None
    stream: bool | None = None
    store: bool | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    text: TextOptions | None = None
    metadata: Metadata | None = None

    @property
    def format(self) -> dict[str, Any]:
        """What the text must be, in the words of this API."""
        return (self.text.format if self.text is not None else None) or {"type": "text"}


def messages(items: str | list[Item]) -> tuple[Message, ...]:
    """Return the input as messages of a chat.

    Raises:
        BadRequest: An item is of a kind that is not understood, or not whole.
    """
    if isinstance(items, str):
        return (Message(role="user", content=items),)
    said: list[Message] = []
    for number, item in enumerate(items):
        place = f"input[{number}]"
        match item.type:
            case "message":
                said.append(_message(item, place))
            case "function_call":
                _add_call(said, item, place)
            case "function_call_output":
                said.append(_result(item, place))
            case "reasoning":
                continue  # nobody can read another model's thoughts
            case _:
                raise BadRequest(f"Items of type `{item.type}` are not understood.", place)
    return tuple(said)


def generate(
    asked: ResponsesRequest, chat: tuple[Message, ...], model: str, max_tokens: int
) -> GenerateRequest:
    """Return what a worker is asked.

    Args:
        asked: The body.
        chat: The conversation so far, and the body's input.
        model: The model that is meant.
        max_tokens: Bound of the reply if the body sets none.

    Raises:
        BadRequest: It asks for what there is not.
    """
    if not chat:
        raise BadRequest("There is nothing to answer.", "input")
    tools = tuple(_tool(tool, at) for at, tool in enumerate(asked.tools or ()))
    head = (Message(role="system", content=asked.instructions),) if asked.instructions else ()
    chosen = asked.tool_choice
    name = chosen.name if isinstance(chosen, ChosenFunction) else ""
    if name and name not in {tool.name for tool in tools}:
        raise BadRequest(f"There is no tool `{name}` in `tools`.", "tool_choice")
    if chosen == "required" and not tools:
        raise BadRequest("A tool is required, and there is none in `tools`.", "tool_choice")
    return GenerateRequest(
        turn=1,
        messages=(*head, *chat),
        model=model,
        max_tokens=asked.max_output_tokens or max_tokens,
        temperature=-1.0 if asked.temperature is None else asked.temperature,
        spoken=False,
        sampling=Sampling(top_p=asked.top_p),
        tools=tools,
        tool_choice=chosen if isinstance(chosen, str) else "",
        tool_name=name,
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=response_format(_of_chat(asked.format), "text.format"),
    )


def _of_chat(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a format in the words of the chat API, which puts a schema one level deeper."""
    if wanted.get("type") != "json_schema":
        return wanted
    inner = {name: value for name, value in wanted.items() if name != "type"}
    return {"type": "json_schema", "json_schema": inner}


def _message(item: Item, place: str) -> Message:
    if item.role is None or item.content is None:
        raise BadRequest("A message needs a role and a content.", place)
    role = "system" if item.role == "developer" else item.role
    return Message(role=role, content=_text(item.content, f"{place}.content"))


def _add_call(said: list[Message], item: Item, place: str) -> None:
    """Add a call to the message of the assistant that ends the chat, or to one of its own."""
    if not (item.call_id and item.name):
        raise BadRequest("A call needs a call_id and a name.", place)
    last = said[-1] if said and said[-1].role == "assistant" else None
    before = last.tool_calls if last is not None else ()
    call = ToolCall(
        index=len(before), id=item.call_id, name=item.name, arguments=item.arguments or ""
    )
    if last is None:
        said.append(Message(role="assistant", content="", tool_calls=(call,)))
    else:
        said[-1] = msgspec.structs.replace(last, tool_calls=(*before, call))


def _result(item: Item, place: str) -> Message:
    if not item.call_id or item.output is None:
        raise BadRequest("A result needs a call_id and an output.", place)
    text = _text(item.output, f"{place}.output")
    return Message(role="tool", content=text, tool_call_id=item.call_id)


def _text(content: str | list[ItemPart], place: str) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for number, part in enumerate(content):
        text = part.refusal if part.type == "refusal" else part.text
        if part.type not in _TEXTS or text is None:
            raise BadRequest(
                f"Parts of type `{part.type}` are not understood.", f"{place}[{number}]"
            )
        texts.append(text)
    return "".join(texts)


def _tool(tool: FunctionTool, at: int) -> Tool:
    if tool.type != "function" or tool.name is None:
        raise BadRequest("Tools are functions here.", f"tools[{at}]")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=schema(tool.parameters, f"tools[{at}].parameters"),
        strict=bool(tool.strict),
    )
