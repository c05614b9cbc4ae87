"""The fields of a recording's request, by themselves."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData

from edge.openai.errors import BadRequest
from edge.openai.recordings import (
    PROMPT_CHARACTERS,
    TranscriptionRequest,
    asked_in,
    fields_of,
    posted_in,
)
from schemas.stt import RecogniseRequest
from voicebus.errors import ProtocolError

NAMES = st.sampled_from(
    [
        *TranscriptionRequest.__struct_fields__,
        *(f"{name}[]" for name in ("languages", "keywords", "timestamp_granularities", "include")),
        *("chunking_strategy[type]", "user", "file", "", "["),
    ]
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["json", "srt", "verbose_json", "word", "segment", "en", "0.5", "true", "1e9"]),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_any_fields_are_a_request_or_refused(items: list[tuple[str, str]]) -> None:
    """Whatever a client sends, there is no other outcome, and a request fits the wire."""
    form = FormData([("model", "whisper-1"), *items])
    try:
        request = asked_in(form).request(translate=False)
    except BadRequest:
        return
    assert isinstance(request, RecogniseRequest)
    assert len(request.vocabulary) <= PROMPT_CHARACTERS


def test_lists_are_named_with_brackets_or_without() -> None:
    """The SDKs do the one, curl's users often the other; one member is a list, too."""
    form = FormData(
        [
            ("timestamp_granularities[]", "word"),
            ("timestamp_granularities", "segment"),
            ("keywords", "Norland"),
            ("chunking_strategy[type]", "server_vad"),
            ("language", ""),
        ]
    )

    assert fields_of(form) == {
        "timestamp_granularities": ["word", "segment"],
        "keywords": ["Norland"],
    }


@pytest.mark.parametrize(
    ("given_language", "language"),
    [("en", "en"), ("EN", "en"), ("pt-BR", "pt"), ("zh_Hant_TW", "zh"), (" de ", "de"), ("", "")],
)
def test_a_region_is_cut_off(given_language: str, language: str) -> None:
    """Recognisers tell languages apart, and not countries."""
    asked = TranscriptionRequest(model="whisper-1", language=given_language)

    assert asked.request(translate=True).language == language


@pytest.mark.parametrize("language", ["english", "e", "??", "12"])
def test_what_is_no_language_is_named(language: str) -> None:
    """The field is told, so that a client's developer finds it."""
    with pytest.raises(BadRequest) as refused:
        TranscriptionRequest(model="whisper-1", language=language).request(translate=False)

    assert refused.value.param == "language"


FILE = b'"input_audio": {"format": "wav", "data": "' + b"AAAA" * 1_000 + b'"}'


def test_a_file_in_json_counts_by_itself() -> None:
    """It may be larger than all the rest, whose empty fields are none."""
    body = b'{"model": "whisper-1", "language": null, "keywords": ["a"], ' + FILE + b"}"

    asked, data = posted_in(body, 200)

    assert (asked.keywords, asked.language) == (("a",), "")
    assert data == bytes(3_000)


@pytest.mark.parametrize("field", [b'"x": ', b'"input_audio": 7, "x": ', b'"keywords": '])
def test_much_besides_the_file_is_refused(field: bytes) -> None:
    """Before anything is made of it: a file's worth of small values takes seconds to read."""
    body = b'{"model": "whisper-1", ' + field + b"[" + b"0," * 500 + b"0], " + FILE + b"}"

    with pytest.raises(ProtocolError) as refused:
        posted_in(body, 200)

    assert refused.value.reason == "upload_too_large"


@pytest.mark.parametrize("audio", [{"data": "?"}, 7, {}, None])
def test_what_is_no_file_is_named(audio: object) -> None:
    """As any other field is."""
    body = msgspec.json.encode({"model": "whisper-1", "input_audio": audio})

    with pytest.raises(BadRequest) as refused:
        posted_in(body, 200)

    assert refused.value.param.startswith("input_audio")
