"""The bytes on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.audio import AudioChunk, AudioEnded
from schemas.codec import EVENT_TYPES, AnyEvent, MalformedMessage, decode, encode
from schemas.event import Event
from tests.schemas.examples import EXAMPLES

SNAPSHOT = Path(__file__).with_name("wire.txt")


def name_of(event: Event) -> str:
    """A message's name in the snapshot."""
    return type(event).__name__


def rendered() -> str:
    """Every example's bytes, one message a line."""
    return "".join(f"{name_of(event)} {encode(event).hex()}\n" for event in EXAMPLES)


def test_the_bytes_of_every_message_are_as_recorded() -> None:
    """Processes of two versions share a bus: bytes change only when somebody means them to.

    Who does writes ``rendered()`` into wire.txt and says in CHANGELOG.md what it breaks.
    """
    assert rendered().splitlines() == SNAPSHOT.read_text().splitlines()


def test_every_message_type_has_an_example() -> None:
    """A message without an example would change unnoticed."""
    assert [type(event) for event in EXAMPLES] == list(EVENT_TYPES)


@pytest.mark.parametrize("event", EXAMPLES, ids=name_of)
def test_every_field_of_an_example_is_set(event: Event) -> None:
    """A field left at its default is not on the wire, so the snapshot would not hold it."""
    common = set(Event.__struct_fields__)

    unset = [
        field.name
        for field in msgspec.structs.fields(event)
        if field.name not in common and getattr(event, field.name) == field.default
    ]

    assert unset == []


@pytest.mark.parametrize("event", EXAMPLES, ids=name_of)
def test_a_message_comes_out_as_it_went_in(event: Event) -> None:
    """Decoding is the inverse of encoding."""
    assert decode(encode(event)) == event


@pytest.mark.parametrize("event", EXAMPLES, ids=name_of)
def test_unknown_fields_are_ignored(event: Event) -> None:
    """A newer process may say more than an older one knows."""
    fields = msgspec.msgpack.decode(encode(event))
    newer = msgspec.msgpack.encode({**fields, "not_known_yet": [1, {"deep": b"x"}]})

    assert decode(newer) == event


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\xc1",
        b"RIFF\x00\x00WAVE",
        b'{"type":"session.text","text":"x"}',
        b'+OK {"stream":"AUDIO","seq":1}',
        msgspec.msgpack.encode({"type": "session.unheard_of"}),
        msgspec.msgpack.encode({"text": "no type"}),
        msgspec.msgpack.encode({"type": "session.text"}),
        msgspec.msgpack.encode({"type": "session.text", "text": 1}),
        msgspec.msgpack.encode(["session.text", "x"]),
        encode(AudioEnded(offset=1))[:-1],
        encode(AudioEnded(offset=1)) + b"\x00",
        b"\x81\xa4type\xa2\xff\xfe",
        b"\x82\xa1x" + b"\x91" * 5_000,
    ],
    ids=lambda data: repr(data)[:40],
)
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    """Garbage, unknown tags, wrong fields, foreign letters and depths all raise the one error."""
    with pytest.raises(MalformedMessage):
        decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_decode_or_raise(data: bytes) -> None:
    """Whatever comes from the network, only MalformedMessage leaves the decoder."""
    try:
        event = decode(data)
    except MalformedMessage:
        return
    assert isinstance(event, EVENT_TYPES)


def test_the_union_holds_every_type_once() -> None:
    """The decoder knows what the list of types names, and nothing else."""
    assert get_args(AnyEvent) == EVENT_TYPES
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES)


def test_tags_are_unique_and_dotted() -> None:
    """A tag says its domain and tells the message from all others."""
    tags = [str(kind.__struct_config__.tag) for kind in EVENT_TYPES]

    assert len(set(tags)) == len(tags)
    assert [tag for tag in tags if not tag.replace(".", "").replace("_", "").isalpha()] == []


def test_a_message_cannot_be_changed() -> None:
    """Messages are values: who holds one can rely on it."""
    chunk = AudioChunk(pcm=b"\x00\x00", offset=0)

    with pytest.raises(AttributeError):
        chunk.offset = 1  # type: ignore[misc]
