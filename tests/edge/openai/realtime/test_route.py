"""Who comes to /v1/realtime, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.realtime import RateLimitsUpdatedEvent
from websockets.exceptions import InvalidStatus

from edge.keys import Keys
from tests.edge.openai.realtime.connecting import created, refusal, socket
from tests.edge.openai.serving import api
from voicebus.keys import Allowance, add_key, new_key, revoke_key

PAGE = "https://page.example"
SETTINGS = {"origins": PAGE, "needs": ""}


@pytest.fixture
def key_and_file(tmp_path: Path) -> tuple[str, Path]:
    """A key, and the file that knows it."""
    path = tmp_path / "keys.json"
    secret, key = new_key("client", Allowance())
    add_key(path, key)
    return secret, path


async def test_a_program_comes_with_its_key_in_a_header(
    nats_server: str, key_and_file: tuple[str, Path]
) -> None:
    """The first event is the session, as its address's query says; a wrong key is refused."""
    key, path = key_and_file
    async with api(nats_server, keys=Keys(path), settings=SETTINGS) as served:
        async with socket(served, "?model=gpt-realtime", Authorization=f"Bearer {key}") as opened:
            session = await created(opened)
        wrong = await refusal(served, Authorization=f"Bearer {key[:-1]}x")
        nothing = await refusal(served)

    assert (session["type"], session["model"]) == ("realtime", "gpt-realtime")
    assert wrong == nothing == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("allowance", "told"),
    [(Allowance(turns_per_min=7), True), (Allowance(), False)],
    ids=["limited", "free"],
)
async def test_a_limited_caller_is_told_what_is_left(
    nats_server: str, tmp_path: Path, allowance: Allowance, told: bool
) -> None:
    """Behind response.created; nothing where nothing is limited."""
    path = tmp_path / "keys.json"
    secret, key = new_key("client", allowance)
    add_key(path, key)
    unlimited = {**SETTINGS, "caller_turns_per_min": 0, "caller_tokens_per_min": 0}
    async with (
        api(nats_server, keys=Keys(path), settings=unlimited) as served,
        socket(served, Authorization=f"Bearer {secret}") as opened,
    ):
        await created(opened)
        response = {"instructions": "Say hi."}
        await opened.send(json.dumps({"type": "response.create", "response": response}))
        await opened.send(json.dumps({"type": "response.cancel"}))
        kinds: dict[str, Any] = {}
        while "response.done" not in kinds:
            event = json.loads(await opened.recv())
            kinds[event["type"]] = event

    assert ("rate_limits.updated" in kinds) is told
    if told:
        assert list(kinds)[:2] == ["response.created", "rate_limits.updated"]
        limits = RateLimitsUpdatedEvent.model_validate(kinds["rate_limits.updated"]).rate_limits
        (requests,) = [limit for limit in limits if limit.name == "requests"]
        assert (requests.limit, requests.remaining) == (7, 7)


async def test_a_page_comes_with_its_key_as_a_subprotocol(
    nats_server: str, key_and_file: tuple[str, Path]
) -> None:
    """The answer names `realtime` and never the key; beta names come with their own subprotocol."""
    key, path = key_and_file
    offered = ["realtime", f"openai-insecure-api-key.{key}", "openai-beta.realtime-v1"]
    async with api(nats_server, keys=Keys(path), settings=SETTINGS) as served:
        async with socket(served, subprotocols=offered, origin=PAGE) as opened:
            chosen, older = opened.subprotocol, await created(opened)
        async with socket(served, subprotocols=offered[:2], origin=PAGE) as opened:
            newer = await created(opened)
        foreign = await refusal(served, subprotocols=offered, origin="https://foreign.example")

    assert chosen == "realtime"
    assert (older["voice"], newer["audio"]["output"]["voice"]) == ("alloy", "alloy")
    assert foreign == (403, "origin_forbidden")


async def test_a_client_secret_opens_the_session_that_it_was_made_for(
    nats_server: str, key_and_file: tuple[str, Path]
) -> None:
    """With its settings, for its origin, and nothing but sessions; not when its key is revoked."""
    key, path = key_and_file
    session = {"type": "realtime", "instructions": "Be brief.", "model": "gpt-realtime"}
    async with api(nats_server, keys=Keys(path), settings=SETTINGS, key=key) as served:
        made = await served.sdk.realtime.client_secrets.create(
            session=session,  # type: ignore[arg-type]  # a plain dict
            expires_after={"anchor": "created_at", "seconds": 60},
            extra_body={"origin": PAGE},
        )
        offered = ["realtime", f"openai-insecure-api-key.{made.value}"]
        async with socket(served, subprotocols=offered, origin=PAGE) as opened:
            told = await created(opened)
        elsewhere = await refusal(served, Authorization=f"Bearer {made.value}")
        aside = await served.http.get(
            "/v1/models", headers={"authorization": f"Bearer {made.value}"}
        )
        revoke_key(path, "client")
        async with api(nats_server, keys=Keys(path), settings=SETTINGS) as later:
            late = await refusal(later, subprotocols=offered, origin=PAGE)

    assert made.value.startswith("ek_")
    assert (told["instructions"], told["model"]) == ("Be brief.", "gpt-realtime")
    assert elsewhere == (403, "origin_forbidden")
    assert aside.status_code == 401
    assert late == (401, "client_secret_unknown")


@pytest.mark.parametrize(
    ("granted", "asked", "told"),
    [
        ({"model": "gpt-realtime"}, "?model=gpt-realtime-mini", "model_forbidden"),
        ({"model": "gpt-realtime"}, "?model=gpt-realtime", "gpt-realtime"),
        ({"model": "gpt-realtime"}, "", "gpt-realtime"),
        ({}, "?model=gpt-realtime-mini", "gpt-realtime-mini"),
    ],
)
async def test_a_client_secret_is_good_for_its_model(
    nats_server: str, granted: dict[str, str], asked: str, told: str
) -> None:
    """The page that has it does not choose another; where it names none, the address does."""
    async with api(nats_server, settings=SETTINGS) as served:
        body = {"session": {"type": "realtime", **granted}}
        made = await served.http.post("/v1/realtime/client_secrets", json=body)
        async with socket(served, asked, Authorization=f"Bearer {made.json()['value']}") as opened:
            first = json.loads(await opened.recv())

    assert told == (first["error"]["code"] if "error" in first else first["session"]["model"])


async def test_the_older_ways_to_a_secret(nats_server: str) -> None:
    """POST /v1/realtime/sessions and /transcription_sessions: flat in, flat out."""
    async with api(nats_server, settings=SETTINGS) as served:
        session = (await served.http.post("/v1/realtime/sessions", json={"voice": "verse"})).json()
        hearing = await served.http.post("/v1/realtime/transcription_sessions", json={})
        secret = session["client_secret"]["value"]
        async with socket(served, Authorization=f"Bearer {secret}") as opened:
            told = await created(opened)
        secret = hearing.json()["client_secret"]["value"]
        async with socket(served, Authorization=f"Bearer {secret}") as opened:
            heard = await created(opened)

    assert session["voice"] == "verse"
    assert told["audio"]["output"]["voice"] == "verse"
    assert heard["type"] == "transcription"


async def test_an_older_secret_may_be_for_one_origin_too(nats_server: str) -> None:
    """As those of the newer way; what is no origin is refused."""
    async with api(nats_server, settings=SETTINGS) as served:
        for path in ("sessions", "transcription_sessions"):
            made = await served.http.post(f"/v1/realtime/{path}", json={"origin": PAGE})
            secret = made.json()["client_secret"]["value"]
            offered = ["realtime", f"openai-insecure-api-key.{secret}"]
            async with socket(served, subprotocols=offered, origin=PAGE) as opened:
                await created(opened)
            elsewhere = await refusal(served, Authorization=f"Bearer {secret}")
            assert "origin" not in made.json()
            assert elsewhere == (403, "origin_forbidden")
        wrong = await served.http.post("/v1/realtime/sessions", json={"origin": 7})

    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "origin")


async def test_a_refused_handshake_has_the_heads_of_every_answer(
    nats_server: str, tmp_path: Path
) -> None:
    """Who asks for help can say which it was, and who waits knows for how long."""
    path = tmp_path / "keys.json"
    secret, key = new_key("client", Allowance(connections_per_min=1))
    add_key(path, key)
    async with api(nats_server, keys=Keys(path), settings=SETTINGS) as served:
        async with socket(served, Authorization=f"Bearer {secret}") as opened:
            await created(opened)
        with pytest.raises(InvalidStatus) as caught:
            async with socket(served, Authorization=f"Bearer {secret}"):
                pass

    response = caught.value.response
    assert response.status_code == 429
    assert response.headers["x-request-id"].startswith("req_")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("client_secrets", {"expires_after": {"seconds": 1}}, 400, "invalid_value"),
        ("client_secrets", {"session": {"audio": 7}}, 400, "invalid_value"),
        ("client_secrets", {"session": {"instructions": "x" * 9_000}}, 400, "session_too_large"),
        ("calls", {}, 501, "not_implemented"),
    ],
)
async def test_what_cannot_be_had_is_refused(
    nats_server: str, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    """In the shape of all errors of the API."""
    async with api(nats_server, settings=SETTINGS) as served:
        answer = await served.http.post(f"/v1/realtime/{path}", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
