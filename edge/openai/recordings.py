"""What a client asks of a recording: the fields of /v1/audio/transcriptions, and its file.

Source: the Python SDK (``openai/types/audio/transcription_create_params.py``), which sends lists as
fields with brackets, several times over. Open WebUI may send JSON with the file in it.
"""

from __future__ import annotations

import io
import re
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.datastructures import FormData, UploadFile

from edge.openai.body import decoded
from edge.openai.endpoint import Call
from edge.openai.errors import BadRequest
from edge.upload import file_of, is_form
from schemas.stt import RecogniseRequest
from voicebus.errors import ProtocolError

PROMPT_CHARACTERS: Final = 1_000
"""Of a longer prompt, the end counts: it is what the recording goes on from."""

_LISTS: Final = ("languages", "keywords", "timestamp_granularities")

_MISSING: Final = re.compile(r"missing required field `(\w+)`")

T = TypeVar("T", bound=Struct)

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]


class TranscriptionRequest(Struct, frozen=True, kw_only=True):
    """The fields that are understood.

    Fields
        model: Any name of a model that recognises speech.
        language: What is spoken; empty to detect it. A region is cut off.
        languages: The only ones that detection may find; empty for all.
        keywords: Words to expect.
        prompt: What comes before, or how names are spelt.
        response_format: The shape of the answer.
        temperature: Recognisers that search for the likeliest words pass over it.
        timestamp_granularities: Of what ``verbose_json`` tells the times.
        stream: Whether the text is told while it is recognised.
    """

    model: str
    language: str = ""
    languages: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    prompt: str = ""
    response_format: Format = "json"
    temperature: Annotated[float, Meta(ge=0, le=1)] = 0.0
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = ()
    stream: bool = False

    @property
    def granularities(self) -> tuple[str, ...]:
        """What ``verbose_json`` has: segments, if nothing else is asked for."""
        return self.timestamp_granularities or ("segment",)

    def request(self, *, translate: bool) -> RecogniseRequest:
        """Return what each passage's worker is asked; where the passage is comes later.

        Raises:
            BadRequest: A language is none.
        """
        before = ", ".join((*self.keywords, *filter(None, (self.prompt.strip(),))))
        wants_words = "word" in self.timestamp_granularities
        fields = {
            "start": 0,
            "cut_from": 0,
            "end": 0,
            "language": _primary(self.language),
            "languages": tuple(map(_primary, self.languages)),
            "vocabulary": before[-PROMPT_CHARACTERS:],
            # Subtitles are cut between words.
            "word_times": wants_words or self.response_format in ("srt", "vtt"),
            "translate": translate,
        }
        return _converted(fields, RecogniseRequest)

    def check(self) -> Self:
        """Refuse fields that contradict each other.

        Raises:
            BadRequest: They do.
        """
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise BadRequest(
                "Times are told in `response_format=verbose_json` only.", "timestamp_granularities"
            )
        if self.stream and self.response_format not in ("json", "text"):
            raise BadRequest("Only `json` and `text` can be streamed.", "response_format")
        return self


class _File(Struct, frozen=True):
    """A file within JSON, in base64."""

    data: bytes


class _Posted(Struct, frozen=True):
    """A request that is JSON as a whole: its file, which is most of it, is not read yet."""

    input_audio: msgspec.Raw = msgspec.Raw(b"null")


async def asked_of(call: Call) -> tuple[TranscriptionRequest, UploadFile]:
    """Read a request: a form with a file, or JSON with the file in it.

    Raises:
        BadRequest: A field is missing or does not fit.
        ProtocolError: The body is too large, comes too slowly, or is no form.
    """
    if is_form(call.request):
        form = await call.form(call.api.settings.max_recording_bytes)
        return asked_in(form), file_of(form)
    body = await call.body(call.api.edge.max_upload_bytes)
    asked, data = posted_in(body, call.api.settings.max_body_bytes)
    return asked, UploadFile(io.BytesIO(data), size=len(data))


def posted_in(body: bytes, limit_bytes: int) -> tuple[TranscriptionRequest, bytes]:
    """Return what a JSON body asks, and its file.

    Args:
        body: The request's.
        limit_bytes: Most bytes besides the file: of what is read into objects.

    Raises:
        BadRequest: A field is missing or does not fit.
        ProtocolError: There is too much besides the file.
    """
    raw = decoded(body, _Posted).input_audio
    if len(body) - len(raw) > limit_bytes:
        raise ProtocolError(
            f"a request may have at most {limit_bytes} bytes besides its file", "upload_too_large"
        )
    given = decoded(body, dict[str, msgspec.Raw])
    fields = {k: decoded(bytes(v), object) for k, v in given.items() if k != "input_audio"}
    asked = _converted({k: v for k, v in fields.items() if v is not None}, TranscriptionRequest)
    try:
        return asked.check(), msgspec.json.decode(raw, type=_File).data
    except msgspec.ValidationError as err:
        said, _, place = str(err).partition(" - at `$")
        raise BadRequest(said, "input_audio" + place.rstrip("`")) from err


def asked_in(form: FormData) -> TranscriptionRequest:
    """Return what the fields of a form ask.

    Raises:
        BadRequest: One is missing or does not fit.
    """
    return _converted(fields_of(form), TranscriptionRequest).check()


def fields_of(form: FormData) -> dict[str, Any]:
    """Return a form's fields without their brackets; those that are empty are left out."""
    fields: dict[str, Any] = {}
    for given, value in form.multi_items():
        name, _, brackets = given.partition("[")
        if not value or isinstance(value, UploadFile) or brackets not in ("", "]"):
            continue
        if name in _LISTS:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def _primary(language: str) -> str:
    """Return a language without region and script, which recognisers do not tell apart."""
    return language.strip().replace("_", "-").partition("-")[0].lower()


def _converted(fields: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as err:
        said, _, place = str(err).partition(" - at `$")
        missing = _MISSING.search(said)
        field = place.rstrip("`").partition("[")[0].lstrip(".")
        raise BadRequest(said, missing[1] if missing else field) from err
