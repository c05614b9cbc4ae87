"""The API as it describes itself."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

from edge.openai.app import _ROUTES
from edge.openai.description import BODIES, FORMS, NOT_SERVED, describe
from tests.edge.openai.serving import api

DESCRIPTION = describe(_ROUTES)


def refs(part: Any) -> set[str]:
    """All references in a part."""
    return set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(part)))


def served_by(app: Starlette) -> tuple[set[tuple[str, str]], set[str]]:
    """Methods and paths of all that an application answers below /v1, and paths of its sockets."""
    requests, sockets = set(), set()
    (below,) = [part for part in app.routes if isinstance(part, Mount) and part.path == "/v1"]
    for route in below.routes:
        assert isinstance(route, Route | WebSocketRoute), f"{route} may lead anywhere"
        path = re.sub(r":\w+}", "}", f"/v1{route.path}")
        if isinstance(route, WebSocketRoute):
            sockets.add(path)
        else:
            # Starlette answers HEAD wherever it answers GET.
            requests |= {(method, path) for method in (route.methods or set()) - {"HEAD"}}
    return requests, sockets


async def test_what_is_served_is_what_is_described(nats_server: str) -> None:
    """Nothing more and nothing less; sockets, for which OpenAPI has no words, in a sentence."""
    async with api(nats_server, {}) as served:
        requests, sockets = served_by(served.app)

    assert requests == {
        (method.upper(), path)
        for path, methods in DESCRIPTION["paths"].items()
        for method in methods
    }
    assert sockets == set(re.findall(r"/v1/\S+", DESCRIPTION["info"]["description"]))


async def test_what_is_not_served_says_so(nats_server: str) -> None:
    """WebRTC: whatever is sent there, as it is described: with 501 and a way out."""
    calls = "/v1/realtime/calls"
    sent: tuple[dict[str, Any], ...] = (
        {"json": {}},
        {"content": b"v=0", "headers": {"content-type": "application/sdp"}},
    )
    async with api(nats_server, {}) as served:
        answers = [await served.http.post(calls, **one) for one in sent]

    described = DESCRIPTION["paths"][calls]["post"]["responses"]
    assert {"/v1" + path for path in NOT_SERVED} == {calls}
    assert ("501" in described, "200" in described) == (True, False)
    assert [answer.status_code for answer in answers] == [501, 501]
    for answer in answers:
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == ("not_implemented", "server_error")
        assert "/v1/realtime" in error["message"]
        assert answer.headers["x-should-retry"] == "false"


def test_every_route_is_described() -> None:
    """With its method, a sentence, and what is refused."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in DESCRIPTION["paths"].items()
        for method, operation in methods.items()
    ]

    assert len(operations) == len(_ROUTES)
    for _, path, operation in operations:
        assert operation["summary"].endswith(".")
        assert {"4XX", "5XX"} <= set(operation["responses"])
        first = "501" if path.removeprefix("/v1") in NOT_SERVED else "200"
        assert {"200", "501"} & set(operation["responses"]) == {first}
        named = {parameter["name"] for parameter in operation["parameters"]}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_every_reference_leads_somewhere() -> None:
    """Or no tool could read it."""
    assert refs(DESCRIPTION) <= set(DESCRIPTION["components"]["schemas"])


def test_bodies_have_the_fields_of_their_structs() -> None:
    """What is read is what is described."""
    for path, kind in {**BODIES, **FORMS}.items():
        content = DESCRIPTION["paths"][f"/v1{path}"]["post"]["requestBody"]["content"]
        for described in content.values():
            (name,) = refs(described["schema"])
            fields = DESCRIPTION["components"]["schemas"][name]["properties"]

            assert list(fields) == list(kind.__struct_fields__)


def test_what_is_a_form_may_be_json() -> None:
    """With the file in it; and only that."""
    for path in {**BODIES, **FORMS}:
        content = DESCRIPTION["paths"][f"/v1{path}"]["post"]["requestBody"]["content"]

        assert ("multipart/form-data" in content) == (path in FORMS)
        assert "application/json" in content


async def test_the_description_is_served(nats_server: str) -> None:
    """To everybody: it says nothing of anybody."""
    async with api(nats_server, {}) as served:
        read = await served.http.get("/openapi.json")

    assert read.json() == json.loads(json.dumps(DESCRIPTION))
