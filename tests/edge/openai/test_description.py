"""The API as it describes itself."""

from __future__ import annotations

import json
import re
from typing import Any

from edge.openai.app import _ROUTES
from edge.openai.description import BODIES, FORMS, describe
from tests.edge.openai.serving import api

DESCRIPTION = describe(_ROUTES)


def refs(part: Any) -> set[str]:
    """All references in a part."""
    return set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(part)))


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
        assert {"200", "4XX", "5XX"} <= set(operation["responses"])
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
