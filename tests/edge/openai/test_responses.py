"""Responses, asked by the official client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from edge.keys import Keys
from schemas.llm import GenerateRequest
from services.faults import Fault, FaultPlan
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from tests.edge.openai.serving import REPLY, api, llm
from voicebus.keys import Allowance, add_key, new_key

LOOK: Any = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object"},
    "strict": False,
}


class Listening(SyntheticEngine):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(SyntheticSettings(reply=REPLY, ttft_ms=1, tokens_per_s=500))
        self.heard: list[list[tuple[str, str]]] = []

    async def generate(self, request: GenerateRequest) -> Any:
        """Note the messages, and answer."""
        self.heard.append([(said.role, said.content) for said in request.messages])
        async for piece in super().generate(request):
            yield piece


async def test_a_response_is_a_message(nats_server: str) -> None:
    """With its words, its usage, and what was asked."""
    async with api(nats_server, llm()) as served:
        said = await served.sdk.responses.create(
            model="gpt-4o-mini",
            input="hello",
            instructions="Be brief.",
            metadata={"a": "b"},
        )

    assert said.output_text == REPLY
    assert said.status == "completed"
    assert said.model == "gpt-4o-mini"
    assert said.instructions == "Be brief."
    assert said.metadata == {"a": "b"}
    assert said.usage is not None
    assert (said.usage.input_tokens, said.usage.output_tokens) == (3, 7)


async def test_the_events_of_a_text_are_complete_and_in_order(nats_server: str) -> None:
    """Each begins what follows and ends what it began, and all are numbered."""
    async with api(nats_server, llm()) as served:
        stream = await served.sdk.responses.create(model="synthetic", input="hello", stream=True)
        events = [event async for event in stream]

    kinds = [event.type for event in events]
    assert [kind for kind in kinds if kind != "response.output_text.delta"] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == REPLY
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == REPLY


async def test_a_call_is_an_item_of_its_own(nats_server: str) -> None:
    """Its arguments are streamed; with its result the conversation goes on."""
    async with api(nats_server, llm()) as served:
        create = served.sdk.responses.create
        stream = await create(
            model="synthetic", input="hello", tools=[LOOK], tool_choice="required", stream=True
        )
        events = [event async for event in stream]
        last = events[-1]
        assert last.type == "response.completed"
        (call,) = last.response.output
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "a cat"}
        said = await create(
            model="synthetic",
            input=[result],
            tools=[LOOK],
            previous_response_id=last.response.id,
        )

    assert [event.type for event in events][2:-1] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert (call.name, call.arguments, call.status) == ("look", "{}", "completed")
    assert said.output_text == REPLY


async def test_a_response_goes_on_from_a_former_one(nats_server: str) -> None:
    """What was said is known; instructions are of one response alone."""
    engine = Listening()
    async with api(nats_server, llm(engine)) as served:
        create = served.sdk.responses.create
        first = await create(model="synthetic", input="one", instructions="Be brief.")
        second = await create(
            model="synthetic", input="two", previous_response_id=first.id, store=False
        )
        with pytest.raises(openai.BadRequestError) as unknown:
            await create(model="synthetic", input="three", previous_response_id=second.id)

    assert engine.heard[1] == [("user", "one"), ("assistant", REPLY), ("user", "two")]
    assert unknown.value.code == "previous_response_not_found"


async def test_a_response_can_be_read_and_forgotten(nats_server: str) -> None:
    """As it was answered, until it is deleted."""
    async with api(nats_server, llm()) as served:
        said = await served.sdk.responses.create(model="synthetic", input="hello")
        read = await served.sdk.responses.retrieve(said.id)
        await served.sdk.responses.delete(said.id)
        with pytest.raises(openai.NotFoundError):
            await served.sdk.responses.retrieve(said.id)

    assert read == said


async def test_nobody_goes_on_from_another_key_s_response(nats_server: str, tmp_path: Path) -> None:
    """To others it is not there."""
    path = tmp_path / "keys.json"
    secrets = []
    for name in ("one", "two"):
        secret, key = new_key(name, Allowance())
        add_key(path, key)
        secrets.append(secret)
    async with api(nats_server, llm(), keys=Keys(path), key=secrets[0]) as served:
        said = await served.sdk.responses.create(model="synthetic", input="hello")
        other = served.sdk.with_options(api_key=secrets[1])
        with pytest.raises(openai.BadRequestError) as unknown:
            await other.responses.create(
                model="synthetic", input="and?", previous_response_id=said.id
            )

    assert unknown.value.param == "previous_response_id"


async def test_a_response_that_is_too_long_is_incomplete(nats_server: str) -> None:
    """And says why."""
    async with api(nats_server, llm()) as served:
        said = await served.sdk.responses.create(
            model="synthetic", input="hello", max_output_tokens=2
        )

    assert said.status == "incomplete"
    assert said.incomplete_details is not None
    assert said.incomplete_details.reason == "max_output_tokens"
    assert said.output_text == "Hello there."


async def test_what_fails_in_the_middle_ends_the_stream_as_failed(nats_server: str) -> None:
    """The last event says what went wrong."""
    plan = FaultPlan(fault=Fault.HANG, after=2)
    broken = SyntheticEngine(SyntheticSettings(fault=plan, token_timeout_s=0.2, tokens_per_s=20))
    async with api(nats_server, llm(broken)) as served:
        stream = await served.sdk.responses.create(model="synthetic", input="hello", stream=True)
        events = [event async for event in stream]

    last = events[-1]
    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.error is not None
    assert last.response.error.message == "The language model did not answer in time."


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"type": "message", "role": "user"}]}, "input[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format"),
        ({"metadata": {"a": 5}}, "metadata[...]"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(nats_server: str, wrong: dict[str, Any], param: str) -> None:
    """400, and the field."""
    async with api(nats_server, llm()) as served:
        body = {"model": "synthetic", "input": "hello", **wrong}
        refused = await served.http.post("/v1/responses", json=body)

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
