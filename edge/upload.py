"""Reading the body of a request: no more than may come, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from voicebus.errors import ProtocolError

_FORM_BYTES: Final = 16 * 1024
"""What a form may have besides its file, and each of its fields."""

_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"})
"""What a form may be written in. Python has codecs that make of bytes what is no text."""

_SLOWEST_BYTES_PER_S: Final = 16 * 1024
"""Who sends at this rate is waited for."""

_FORM: Final = "multipart/form-data"

Came = Callable[[int], None]
"""Told of bytes as they come; what it raises ends the reading."""


def _unheeded(_: int) -> None:
    """Count nothing: what is spooled to disk takes no memory."""


async def read_body(request: Request, limit_bytes: int, patience_s: float, came: Came) -> bytes:
    """Return the body, or the file of a form.

    Args:
        request: Whose body it is.
        limit_bytes: Most bytes of the recording.
        patience_s: How long it may take; each 16 KiB that came give a second more.
        came: Told of bytes as they come; what it raises ends the reading.

    Raises:
        ProtocolError: ``upload_too_large``, ``upload_too_slow`` or ``bad_field``.
    """
    if is_form(request):
        form = await read_form(request, limit_bytes, patience_s, came=came)
        try:
            return await file_of(form).read()
        finally:
            await form.close()
    async with _received(request, limit_bytes, patience_s, came) as counted:
        return await counted.body()


def is_form(request: Request) -> bool:
    """Whether the body is a form with files."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == _FORM


async def read_form(
    request: Request,
    limit_bytes: int,
    patience_s: float,
    max_fields: int = 8,
    came: Came = _unheeded,
) -> FormData:
    """Return a form; whoever has it closes it. Its file, one at most, is spooled to disk.

    Args:
        request: Whose body it is.
        limit_bytes: Most bytes of the file.
        patience_s: How long it may take; each 16 KiB that came give a second more.
        max_fields: Most fields besides the file.
        came: Told of bytes as they come; what it raises ends the reading.

    Raises:
        ProtocolError: ``upload_too_large``, ``upload_too_slow`` or ``bad_field``.
    """
    _expect_text(request)
    async with _received(request, limit_bytes + _FORM_BYTES, patience_s, came) as counted:
        try:
            form = await counted.form(max_files=1, max_fields=max_fields, max_part_size=_FORM_BYTES)
        # Inside of an application Starlette makes the one of the other.
        except (MultiPartException, HTTPException) as err:
            raise ProtocolError("the body is not a valid form", "bad_field") from err
    if any(isinstance(v, UploadFile) and (v.size or 0) > limit_bytes for v in form.values()):
        await form.close()
        raise _too_large(limit_bytes)
    return form


def file_of(form: FormData) -> UploadFile:
    """Return the file of a form.

    Raises:
        ProtocolError: ``bad_field``: there is none.
    """
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise ProtocolError("the form has no file named `file`", "bad_field")
    return upload


def _expect_text(request: Request) -> None:
    """Refuse a form whose fields would not be text.

    Raises:
        ProtocolError: ``bad_field``.
    """
    _, given = parse_options_header(request.headers.get("content-type"))
    named = given.get(b"charset", b"utf-8").decode("latin-1")
    if named.lower() not in _CHARSETS:
        raise ProtocolError("the fields of a form are written in UTF-8", "bad_field")


@asynccontextmanager
async def _received(
    request: Request, limit_bytes: int, patience_s: float, came: Came
) -> AsyncIterator[Request]:
    """Yield the request, whose body may be read inside of the context, within its bounds."""
    too_large = _too_large(limit_bytes)
    if int(request.headers.get("content-length") or 0) > limit_bytes:
        raise too_large
    try:
        async with asyncio.timeout(patience_s) as patience:
            receive = _counted(request.receive, limit_bytes, too_large, patience, came)
            yield Request(request.scope, receive)
    except TimeoutError as err:
        raise ProtocolError("the upload comes too slowly", "upload_too_slow") from err


def _too_large(limit_bytes: int) -> ProtocolError:
    return ProtocolError(f"an upload may have at most {limit_bytes} bytes", "upload_too_large")


def _counted(
    receive: Receive,
    limit_bytes: int,
    too_large: ProtocolError,
    patience: asyncio.Timeout,
    told: Came,
) -> Receive:
    """Count what comes, for a body need not state its length, and wait on for who sends."""
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        came = len(message.get("body", b""))
        size += came
        if size > limit_bytes:
            raise too_large
        told(came)
        until_s = patience.when()
        if until_s is not None:
            patience.reschedule(until_s + came / _SLOWEST_BYTES_PER_S)
        return message

    return received
