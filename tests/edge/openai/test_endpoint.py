"""What every route of the API does before and after its own work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from edge.keys import Keys
from schemas.llm import GenerateRequest
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from subjects.catalog import Place, subject_of
from tests.edge.openai.serving import api, llm
from tests.workers import until
from voicebus import metrics
from voicebus.keys import Allowance, add_key, new_key


async def test_what_is_not_served_is_an_error_of_the_api(nats_server: str) -> None:
    """A path that there is not, and a method that a path does not have."""
    async with api(nats_server, {}) as served:
        absent = await served.http.get("/v1/nothing")
        wrong = await served.http.delete("/v1/models")

    assert absent.status_code == 404
    assert absent.json()["error"] == {
        "message": "GET /v1/nothing is not served",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }
    assert wrong.status_code == 405
    assert wrong.json()["error"]["code"] == "method_not_allowed"
    assert "GET" in wrong.headers["allow"]
    assert absent.headers["x-request-id"] != wrong.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/v1/models/a%0Ab", "/v1/%0A"])
async def test_a_path_with_a_line_break_is_the_api_s_too(nats_server: str, path: str) -> None:
    """No route has one, and neither does the framework's own idea of what is below /v1."""
    async with api(nats_server, {}) as served:
        answer = await served.http.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_every_answer_has_a_request_id(nats_server: str) -> None:
    """Also the good ones: it is what people name when they ask."""
    async with api(nats_server) as served:
        answer = await served.http.get("/v1/models")

    assert answer.status_code == 200
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer {}"}, {"x-api-key": "{}"}, {"api-key": "{}"}],
    ids=["bearer", "x-api-key", "api-key"],
)
async def test_a_key_may_come_in_several_headers(
    nats_server: str, tmp_path: Path, headers: dict[str, str]
) -> None:
    """Azure's clients and others have headers of their own for it."""
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance())
    add_key(path, key)
    async with api(nats_server, {}, keys=Keys(path)) as served:
        told = {name: value.format(secret) for name, value in headers.items()}
        welcome = await served.http.get("/v1/models", headers=told)

    assert welcome.status_code == 200


async def test_without_a_good_key_nobody_comes_in(nats_server: str, tmp_path: Path) -> None:
    """The SDK raises what it raises at OpenAI, and knows the request's id."""
    path = tmp_path / "keys.json"
    add_key(path, new_key("one", Allowance())[1])
    async with api(nats_server, {}, keys=Keys(path), key="vb_00000000_wrong") as served:
        with pytest.raises(openai.AuthenticationError) as refused:
            await served.sdk.models.list()
        bare = await served.http.get("/v1/models")

    assert refused.value.code == "invalid_api_key"
    assert (refused.value.request_id or "").startswith("req_")
    assert bare.status_code == 401
    assert bare.headers["www-authenticate"] == "Bearer"
    assert bare.headers["x-should-retry"] == "false"


async def test_who_asks_too_often_is_told_when_to_come_back(
    nats_server: str, tmp_path: Path
) -> None:
    """429, whole seconds, and how much there is of everything."""
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance(connections_per_min=2, turns_per_min=30))
    add_key(path, key)
    async with api(nats_server, keys=Keys(path), key=secret) as served:
        listed = await served.sdk.models.with_raw_response.list()
        await served.sdk.models.list()
        with pytest.raises(openai.RateLimitError) as refused:
            await served.sdk.models.list()

    assert listed.headers["x-ratelimit-limit-requests"] == "30"
    assert listed.headers["x-ratelimit-remaining-requests"] == "30"
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30
    assert refused.value.response.headers["x-should-retry"] == "true"


async def test_requests_are_counted_by_route_and_status(nats_server: str) -> None:
    """By the route as it is written, and not by what stands in its place."""
    counted = metrics.API_REQUESTS.labels("/models/{model:path}", 404)._value
    before = counted.get()
    async with api(nats_server, {}) as served:
        await served.http.get("/v1/models/nobody")
        await served.http.get("/v1/models/nobody-else")

    assert counted.get() == before + 2


async def test_work_counts_as_turns_do(nats_server: str, tmp_path: Path) -> None:
    """What is left is told with each answer; what is too much is refused before there is a job."""
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance(turns_per_min=1, tokens_per_min=1000))
    add_key(path, key)
    ask: Any = [{"role": "user", "content": "hello"}]
    async with api(nats_server, keys=Keys(path), key=secret) as served:
        create = served.sdk.chat.completions.with_raw_response.create
        first = await create(model="synthetic", messages=ask)
        with pytest.raises(openai.RateLimitError) as refused:
            await create(model="synthetic", messages=ask)

    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.value.type == "requests"
    assert int(refused.value.response.headers["x-ratelimit-remaining-tokens"]) < 1000


async def test_each_answer_counts_as_a_turn(nats_server: str, tmp_path: Path) -> None:
    """Whoever asks for several at once pays for several."""
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance(turns_per_min=6))
    add_key(path, key)
    ask: Any = [{"role": "user", "content": "hello"}]
    async with api(nats_server, keys=Keys(path), key=secret) as served:
        create = served.sdk.chat.completions.with_raw_response.create
        first = await create(model="synthetic", messages=ask, n=4)
        with pytest.raises(openai.RateLimitError):
            await create(model="synthetic", messages=ask, n=4)

    assert first.headers["x-ratelimit-remaining-requests"] == "2"


async def test_the_sdk_tries_again_and_is_served_once(
    nats_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused costs nothing: one job, and one turn of its share."""
    monkeypatch.setattr("voicebus.sessions.sessions._FULL_RETRY_S", 0.5)
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance(turns_per_min=30))
    add_key(path, key)
    refused = metrics.API_REQUESTS.labels("/chat/completions", 503)._value
    before = refused.get()
    ask: Any = [{"role": "user", "content": "hello"}]
    async with api(
        nats_server, settings={"max_sessions": 1}, keys=Keys(path), key=secret
    ) as served:
        jobs = subject_of(GenerateRequest, Place(served.bus.cell, served.edge, "*"), job="*")
        sdk = served.sdk.with_options(max_retries=5)
        async with served.bus.listen(jobs) as inbox:
            await served.bus.flush()
            async with served.sessions.open("websocket"):
                asking: asyncio.Future[Any] = asyncio.ensure_future(
                    sdk.chat.completions.with_raw_response.create(model="synthetic", messages=ask)
                )
                await until(lambda: refused.get() > before, 20)
            answer = await asking
            await served.bus.flush()
            asked = len(inbox)

    assert answer.parse().choices[0].finish_reason == "stop"
    assert answer.headers["x-ratelimit-remaining-requests"] == "29"
    assert asked == 1


async def test_a_caller_has_so_many_requests_at_once(nats_server: str, tmp_path: Path) -> None:
    """As it has so many sessions; when one of them has ended there is room again."""
    path = tmp_path / "keys.json"
    secret, key = new_key("one", Allowance(sessions=1))
    add_key(path, key)
    slow = SyntheticEngine(SyntheticSettings(ttft_ms=500))
    ask: Any = {"model": "synthetic", "messages": [{"role": "user", "content": "hello"}]}
    async with api(nats_server, llm(slow), keys=Keys(path), key=secret) as served:
        create = served.sdk.chat.completions.create
        both = await asyncio.gather(create(**ask), create(**ask), return_exceptions=True)
        later = await create(**ask)

    assert sorted(type(one).__name__ for one in both) == ["ChatCompletion", "RateLimitError"]
    assert later.choices[0].finish_reason == "stop"


async def test_pages_of_other_sites_need_to_be_named(nats_server: str) -> None:
    """A browser asks first whether it may, and shows a page only answers that are for it."""
    ours, other = "https://ours.example", "https://other.example"
    asking = {"access-control-request-method": "POST"}
    async with api(nats_server, {}, {"origins": ours}) as served:
        path = "/v1/chat/completions"
        may = await served.http.options(path, headers={"origin": ours, **asking})
        may_not = await served.http.options(path, headers={"origin": other, **asking})
        told = await served.http.get("/v1/models", headers={"origin": ours})
        refused = await served.http.get("/v1/models", headers={"origin": other})

    assert may.headers["access-control-allow-origin"] == ours
    assert "access-control-allow-origin" not in may_not.headers
    assert told.headers["access-control-allow-origin"] == ours
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
