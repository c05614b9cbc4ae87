"""The generated reference."""

from __future__ import annotations

import json
from typing import Any

from schemas.codec import EVENT_TYPES
from subjects.asyncapi import render


def resolved(document: dict[str, Any], reference: str) -> object:
    """What a reference inside the document points to."""
    node: Any = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def references(node: object) -> list[str]:
    """All references of a document."""
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


def test_every_message_is_described() -> None:
    """Name on the wire, summary and payload of each message stand in the document."""
    messages = json.loads(render())["components"]["messages"]

    assert set(messages) == {kind.__name__ for kind in EVENT_TYPES}
    assert all(message["summary"] and message["name"] for message in messages.values())


def test_every_reference_leads_somewhere() -> None:
    """No reference of the document is dangling."""
    document = json.loads(render())
    found = references(document)

    assert found
    assert [r for r in found if not isinstance(resolved(document, r), dict)] == []


def test_every_channel_says_what_its_parameters_are() -> None:
    """Parameters of an address are described, and no others are."""
    channels = json.loads(render())["channels"]

    for channel in channels.values():
        assert {p for p in channel["parameters"] if f"{{{p}}}" in channel["address"]} == set(
            channel["parameters"]
        )
        assert channel["address"].count("{") == len(channel["parameters"])
