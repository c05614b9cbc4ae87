"""A JSON body, and what is wrong with it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from edge.openai.depth import is_deep
from edge.openai.errors import BadRequest

T = TypeVar("T")


def decoded(body: bytes, kind: type[T]) -> T:
    """Return a body; fields that are not known are passed over.

    Raises:
        BadRequest: It is no JSON, or a field does not fit; the field is named.
    """
    try:
        asked = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as err:
        said, _, place = str(err).partition(" - at `$")
        raise BadRequest(said, place.rstrip("`").lstrip(".")) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadRequest("the body is not valid JSON", reason="invalid_json") from err
    if is_deep(asked):
        raise BadRequest("the body is nested too deeply", reason="invalid_json")
    return asked
