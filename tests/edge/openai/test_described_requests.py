"""Requests made from the API's own description, and from what it forbids: thousands of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from edge.openai.description import BODIES, FORMS, NOT_SERVED
from tests.edge.openai.hearing import ONE, wav
from tests.edge.openai.serving import REPLY, Served, api, llm, stt, tts
from tests.services.stt.ears import Recogniser, ears_of
from voicebus import metrics

CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
NOT_SERVED_CHECKS: Final = tuple(check for check in CHECKS if check is not not_a_server_error)
"""The one exception: where nothing is served, 501 is the answer that the description names.

It is made for those operations alone, and only for that status: see :func:`ask`.
"""

DEADLINE_S: Final = 30.0
"""Longest time of one request, on the slowest machine: engines here answer in milliseconds."""

ABSENT: Final = frozenset(f"/v1{path}" for path in NOT_SERVED)

SERVED: Final = {
    "/v1/chat/completions": "gpt-4o-mini",
    "/v1/responses": "gpt-4o-mini",
    "/v1/audio/speech": "tts-1",
    "/v1/audio/transcriptions": "whisper-1",
    "/v1/audio/translations": "whisper-1",
}
"""A model for each route, so that what is good gets as far as the workers."""


PLAIN: Final[dict[str, Any]] = {
    "messages": [{"role": "user", "content": "hello"}],
    "input": "hello",
    "previous_response_id": None,
    "tools": None,
    "tool_choice": None,
    "logprobs": None,
    "response_format": None,
    "voice": None,
    "audio": None,
    "text": None,
}
"""Fields that reach the workers, whatever else is asked."""


class Seen:
    """What requests were answered with.

    Attributes:
        statuses: Of each operation.
    """

    def __init__(self) -> None:
        self.statuses: dict[str, set[int]] = {}
        self.requests = 0

    def see(self, operation: str, status: int) -> None:
        """Take an answer."""
        self.requests += 1
        self.statuses.setdefault(operation, set()).add(status)


def ask_everything(root: str, examples: int) -> Seen:
    """Ask every operation that the edge describes, as it describes it and otherwise.

    Args:
        root: Its address.
        examples: How many requests for each operation, of either kind.
    """
    description = httpx2.get(f"{root}/openapi.json", trust_env=False).json()
    seen = Seen()
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # an error has none, and says so
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.POSITIVE or operation.body:
                ask(operation, mode, root, examples, seen)
    return seen


def ask(operation: Any, mode: GenerationMode, root: str, examples: int, seen: Seen) -> None:
    """Ask one operation."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body = case.body | _reaching(case.path, case.body)
        answer = case.call(base_url=root, timeout=DEADLINE_S, proxies={"no_proxy": "127.0.0.1"})
        seen.see(f"{case.method} {case.path}", answer.status_code)
        if case.path in ABSENT:
            assert answer.status_code == 501
        case.validate_response(answer, checks=NOT_SERVED_CHECKS if case.path in ABSENT else CHECKS)

    check()


def _reaching(path: str, body: dict[str, Any]) -> dict[str, Any]:
    reaching: dict[str, Any] = {}
    if "model" in body and path in SERVED:
        reaching["model"] = SERVED[path]
    if "file" in body:
        reaching["file"] = wav(ONE)
    if "input_audio" in body:
        reaching["input_audio"] = {"data": base64.b64encode(wav(ONE)).decode()}
    if len(str(body)) % 2:
        # What may be said in a field may still contradict another one: half of them are plain.
        reaching |= {name: plain for name, plain in PLAIN.items() if name in body}
    return reaching


@asynccontextmanager
async def a_neighbour(served: Served) -> AsyncIterator[list[str]]:
    """Somebody else who asks the same edge all the time; yields what it was answered."""
    answers: list[str] = []

    async def go_on() -> None:
        while True:
            said = await served.sdk.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}]
            )
            answers.append(said.choices[0].message.content or "")
            await asyncio.sleep(0.1)

    going = asyncio.create_task(go_on())
    yield answers
    going.cancel()
    await asyncio.wait((going,))
    assert going.cancelled(), going.exception()


def mistakes() -> float:
    """How many requests were answered with 500."""
    return sum(
        sample.value
        for family in metrics.API_REQUESTS.collect()
        for sample in family.samples
        if sample.labels.get("status") == "500" and sample.name.endswith("_total")
    )


async def expect_no_harm(url: str, examples: int) -> Seen:
    """Ask everything of an edge with a neighbour; return what was answered."""
    before = mistakes()
    async with (
        ears_of(Recogniser()) as ears,
        api(url, {**llm(), **tts(), **stt(ears)}) as served,
    ):
        async with a_neighbour(served) as answers:
            root = str(served.http.base_url).rstrip("/")
            seen = await asyncio.to_thread(ask_everything, root, examples)
        async with asyncio.timeout(DEADLINE_S):
            while len(served.sessions):  # who has left is noticed in a moment
                await asyncio.sleep(0.05)

    assert mistakes() == before
    assert set(answers) == {REPLY}
    return seen


def posts(seen: Seen) -> dict[str, set[int]]:
    """What the operations that take a body, and are served, answered."""
    absent = {f"POST {path}" for path in ABSENT}
    return {
        name: said
        for name, said in seen.statuses.items()
        if name.startswith("POST") and name not in absent
    }


@pytest.mark.timeout(400)
async def test_no_request_does_harm(nats_server: str) -> None:
    """No 5xx but the 501 that is described, no hang, answers as they are described.

    Somebody else is served meanwhile.
    """
    seen = await expect_no_harm(nats_server, 20)

    assert len(seen.statuses) == 15
    asked = posts(seen)
    assert len(asked) == len(BODIES) + len(FORMS)
    bodies = {name: said for name, said in asked.items() if name.partition("/v1")[2] in BODIES}
    assert [name for name, said in asked.items() if 400 not in said] == [], asked
    assert [name for name, said in bodies.items() if 200 not in said] == [], asked


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_thousands_of_requests_do_no_harm(nats_server: str) -> None:
    """The same, for longer."""
    seen = await expect_no_harm(nats_server, 300)

    assert seen.requests > 3_000
    asked = posts(seen)
    # That of a few recordings one is whole, and is sent with a model that there is, is luck.
    assert [name for name, said in asked.items() if not {200, 400} <= said] == [], asked
