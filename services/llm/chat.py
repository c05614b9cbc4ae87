"""A request and its answer in the words of OpenAI's chat API. No I/O.

The API: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.llm import GenerateRequest, Message, Sampling, Tool, ToolCall
from services.llm.prices import Counted
from voicebus.errors import RequestRefused


def fields(request: GenerateRequest) -> dict[str, Any]:
    """Return the fields of the body that only some requests have."""
    told = _sampling(request.sampling)
    if request.tools:
        told["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_name:
            told["tool_choice"] = {"type": "function", "function": {"name": request.tool_name}}
        elif request.tool_choice:
            told["tool_choice"] = request.tool_choice
        if request.parallel_tool_calls is not None:
            told["parallel_tool_calls"] = request.parallel_tool_calls
    if request.response_format:
        told["response_format"] = msgspec.json.decode(request.response_format)
    return told


def without_tools(request: GenerateRequest) -> GenerateRequest:
    """Return the request without functions, for a model that refuses them.

    What former calls have told stays, as words of the user: roles alternate as templates want it.

    Raises:
        RequestRefused: It demands that one is called.
    """
    if request.tool_name or request.tool_choice == "required":
        raise RequestRefused("The language model takes no functions.")
    names = {call.id: call.name for said in request.messages for call in said.tool_calls}
    kept: list[Message] = []
    for said in request.messages:
        plain = replace(said, tool_calls=())
        if said.role == "tool":
            name = names.get(said.tool_call_id, "result")
            plain = Message(role="user", content=f"{name}: {said.content}")
        if said.tool_calls and not plain.content:
            continue
        if kept and kept[-1].role == plain.role == "user":
            plain = replace(plain, content=f"{kept.pop().content}\n\n{plain.content}")
        kept.append(plain)
    return replace(request, messages=tuple(kept), tools=(), parallel_tool_calls=None)


def message(said: Message) -> dict[str, Any]:
    """Return a message of the chat."""
    told: dict[str, Any] = {"role": said.role, "content": said.content}
    if said.tool_calls:
        told["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in said.tool_calls
        ]
    if said.tool_call_id:
        told["tool_call_id"] = said.tool_call_id
    if said.name:
        told["name"] = said.name
    return told


def content(chunk: object) -> tuple[str, str]:
    """Return the text and the finish reason of a chunk, of whatever shape the server sent it."""
    choice = _choice(chunk)
    text = getattr(getattr(choice, "delta", None), "content", None)
    return _text(text), _text(getattr(choice, "finish_reason", None))


def tool_calls(chunk: object) -> tuple[ToolCall, ...]:
    """Return the pieces of calls in a chunk; one without an index goes on with the first call."""
    delta = getattr(_choice(chunk), "delta", None)
    listed = getattr(delta, "tool_calls", None)
    if not isinstance(listed, list):
        return ()
    return tuple(_call(piece) for piece in listed)


class Calls:
    """Numbers the calls of one reply as OpenAI does, whatever the server makes of it.

    Some servers give pieces no number, or each call the same one, and say at the end that the model
    was done: a piece with an id of its own begins a call.
    https://github.com/googleapis/python-genai/issues/2868
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, str]] = {}
        self._count = 0

    def numbered(self, pieces: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Return the pieces with the numbers of their calls."""
        return tuple(self._numbered(piece) for piece in pieces)

    def reason(self, told: str) -> str:
        """Return why the reply ended: with calls in it, because they are to be made."""
        return "tool_calls" if told == "stop" and self._count else told

    def _numbered(self, piece: ToolCall) -> ToolCall:
        number, name = self._known.get(piece.index, (-1, ""))
        is_named = bool(piece.id or piece.name)
        if is_named and (number < 0 or (piece.id and piece.id != name)):
            number, self._count = self._count, self._count + 1
            self._known[piece.index] = (number, piece.id)
        return msgspec.structs.replace(piece, index=max(number, 0))


def counted(chunk: object) -> Counted:
    """Return what the server has counted, as far as this chunk says it."""
    usage = getattr(chunk, "usage", None)
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
    return Counted(
        tokens=_number(getattr(usage, "completion_tokens", None)),
        prompt_tokens=_number(getattr(usage, "prompt_tokens", None)),
        cached_tokens=_number(cached),
        cost_usd=_cost(getattr(usage, "cost", None)),
    )


def more(one: Counted, other: Counted) -> Counted:
    """Return what either of two chunks says: the counts only grow."""
    costs = [cost for cost in (one.cost_usd, other.cost_usd) if cost is not None]
    return Counted(
        tokens=max(one.tokens, other.tokens),
        prompt_tokens=max(one.prompt_tokens, other.prompt_tokens),
        cached_tokens=max(one.cached_tokens, other.cached_tokens),
        cost_usd=max(costs, default=None),
    )


def _sampling(chosen: Sampling) -> dict[str, Any]:
    told = msgspec.structs.asdict(chosen)
    return {name: value for name, value in told.items() if value not in {None, ()}}


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = _schema(msgspec.json.decode(tool.parameters))
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _schema(told: Any) -> Any:
    """Return a schema as all take it: OpenAI refuses an object of which no properties are told."""
    is_bare = isinstance(told, dict) and told.get("type") == "object" and "properties" not in told
    return {**told, "properties": {}} if is_bare else told


def _choice(chunk: object) -> object:
    choices = getattr(chunk, "choices", None)
    return choices[0] if isinstance(choices, list) and choices else None


def _call(piece: object) -> ToolCall:
    function = getattr(piece, "function", None)
    return ToolCall(
        index=_number(getattr(piece, "index", None)),
        id=_text(getattr(piece, "id", None)),
        name=_text(getattr(function, "name", None)),
        arguments=_text(getattr(function, "arguments", None)),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _cost(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
