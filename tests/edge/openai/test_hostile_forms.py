"""Forms that no library sends: refused as the client's mistake, and nothing is left of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.edge.openai.hearing import MODEL, ONE, hearing, wav
from tests.edge.openai.serving import Served
from tests.edge.raw import raw

# The file of a form that breaks off is closed when its last reference goes, not by name.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)

FORM = "/v1/audio/transcriptions"
TYPE = "multipart/form-data; boundary=b"
FILE = wav(ONE)
END = b"--b--\r\n"


def part(name: bytes, data: bytes, extra: bytes = b"") -> bytes:
    """A part of a form."""
    head = b'--b\r\nContent-Disposition: form-data; name="' + name + b'"' + extra
    return head + b"\r\n\r\n" + data + b"\r\n"


def file(data: bytes, name: bytes = b"a.wav", field: bytes = b"file") -> bytes:
    """A part with a file."""
    return part(field, data, b'; filename="' + name + b'"')


ASKED = part(b"model", MODEL.encode())
GOOD = ASKED + file(FILE) + END
LONG = 20 * 1024

BAD: dict[str, tuple[bytes, str, int]] = {
    "no boundary": (GOOD, "multipart/form-data", 400),
    "an empty boundary": (GOOD, "multipart/form-data; boundary=", 400),
    "another boundary": (GOOD, "multipart/form-data; boundary=c", 400),
    "an endless boundary": (GOOD, f"multipart/form-data; boundary={'b' * 8_000}", 400),
    "a codec that decodes nothing": (GOOD, f"{TYPE}; charset=undefined", 400),
    "a codec that makes surrogates": (
        part(b"model", rb"\ud800") + file(FILE) + END,
        f"{TYPE}; charset=unicode_escape",
        400,
    ),
    "another one": (part(b"model", b"+2AA-") + END, f"{TYPE}; charset=utf-7", 400),
    "nothing at all": (b"", TYPE, 400),
    "nothing but the end": (END, TYPE, 400),
    "a part that is cut off": (b'--b\r\nContent-Disposition: form-data; name="mo', TYPE, 400),
    "no name": (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, TYPE, 400),
    "no disposition": (b"--b\r\nX: y\r\n\r\nx\r\n" + END, TYPE, 400),
    "a broken header": (b"--b\r\nX\x00y\r\n\r\nx\r\n" + END, TYPE, 400),
    "an endless header": (b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nx\r\n" + END, TYPE, 400),
    "endless headers": (b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx\r\n" + END, TYPE, 400),
    "too many fields": (part(b"keywords[]", b"x") * 300 + GOOD, TYPE, 400),
    "a field like a file": (part(b"prompt", b"x" * LONG) + GOOD, TYPE, 400),
    "no file": (ASKED + END, TYPE, 400),
    "a file that is a field": (ASKED + part(b"file", b"RIFF") + END, TYPE, 400),
    "two files": (ASKED + file(FILE) + file(FILE) + END, TYPE, 400),
    "a model that is a file": (file(MODEL.encode(), field=b"model") + END, TYPE, 400),
    "a model that is no text": (part(b"model", b"\xff\x00") + file(FILE) + END, TYPE, 404),
    "a language that is a path": (part(b"language", b"../../x") + GOOD, TYPE, 400),
    "a temperature that is no number": (part(b"temperature", b"nan") + GOOD, TYPE, 400),
    "a file of no bytes": (ASKED + file(b"") + END, TYPE, 415),
    "a list of paths": (ASKED + file(b"/etc/passwd\n/etc/hosts\n", b"a.txt") + END, TYPE, 415),
    "an M3U list": (
        ASKED + file(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"a.m3u8") + END,
        TYPE,
        415,
    ),
    "a list for ffmpeg": (
        ASKED + file(b"ffconcat version 1.0\nfile /etc/passwd\n") + END,
        TYPE,
        415,
    ),
    "a description of a session": (
        ASKED + file(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n") + END,
        TYPE,
        415,
    ),
    "a file that is a picture": (ASKED + file(b"\x89PNG\r\n\x1a\n" + bytes(999)) + END, TYPE, 415),
    "a header and no samples": (ASKED + file(FILE[:44]) + END, TYPE, 422),
    "half of a header": (ASKED + file(FILE[:30]) + END, TYPE, 422),
    "chunks longer than the file": (
        ASKED + file(b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(100)) + END,
        TYPE,
        422,
    ),
    "Matroska and then noise": (ASKED + file(b"\x1aE\xdf\xa3" + b"\xff" * 5_000) + END, TYPE, 422),
    "MP4 and then noise": (
        ASKED + file(b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00" + b"\xff" * 5_000) + END,
        TYPE,
        422,
    ),
    "FLAC and then noise": (ASKED + file(b"fLaC" + b"\xff" * 5_000) + END, TYPE, 422),
    "a tag that has no end": (
        ASKED + file(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"\xff" * 5_000) + END,
        TYPE,
        422,
    ),
}
"""What is sent, as what it is declared, and how it is answered."""


async def posted(served: Served, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
    """The answer to a form."""
    answer = await served.http.post(FORM, content=body, headers={"content-type": kind})
    told: dict[str, Any] = answer.json()
    return answer.status_code, told


async def test_bad_forms_are_the_client_s_mistake(nats_server: str) -> None:
    """Each is refused in the shape of all errors, and somebody else's file is read meanwhile."""
    wrong: dict[str, Any] = {}
    async with hearing(nats_server) as served:
        for name, (body, kind, expected) in BAD.items():
            (status, told), (other, said) = await asyncio.gather(
                posted(served, body, kind), posted(served, GOOD, TYPE)
            )
            if status != expected or set(told["error"]) != {"message", "type", "param", "code"}:
                wrong[name] = (status, told)
            if (other, said.get("text")) != (200, "synthetic utterance of 2.2 seconds"):
                wrong[f"beside {name}"] = (other, said)

    assert wrong == {}
    assert len(served.sessions) == 0


@pytest.mark.parametrize(
    "kind", ['multipart/form-data; boundary="b"', "Multipart/Form-Data; charset=UTF-8; boundary=b"]
)
async def test_a_form_may_be_declared_in_other_letters(nats_server: str, kind: str) -> None:
    """Types do not depend on case (RFC 9110, 8.3.1)."""
    async with hearing(nats_server) as served:
        status, told = await posted(served, GOOD, kind)

    assert (status, told["text"]) == (200, "synthetic utterance of 2.2 seconds")


async def test_a_name_of_a_file_is_nobody_s_business(nats_server: str) -> None:
    """It leads nowhere."""
    async with hearing(nats_server) as served:
        status, _ = await posted(served, ASKED + file(FILE, b"../../etc/\x00passwd") + END, TYPE)

    assert status == 200


@pytest.mark.parametrize("sent", [b"", GOOD[:2_000]])
async def test_a_body_that_never_comes_is_not_waited_for(nats_server: str, sent: bytes) -> None:
    """Whatever length it was said to have: it holds nothing of the fleet meanwhile."""
    head = (
        f"POST {FORM} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: 1000000\r\n\r\n"
    )
    async with (
        hearing(nats_server, settings={"upload_s": 0.5}) as served,
        raw(served.http.base_url.port or 0) as client,
    ):
        await client.send(head.encode() + sent)
        status, _ = await posted(served, GOOD, TYPE)
        assert len(served.sessions) == 0
        async with asyncio.timeout(20):
            told = await client.head()

    assert status == 200
    assert told.startswith("HTTP/1.1 408 ")


async def test_what_is_behind_the_length_is_another_request(nats_server: str) -> None:
    """A form that is cut off by its own length is a bad one, and so is what comes after it."""
    body = GOOD[: len(GOOD) // 2]
    head = (
        f"POST {FORM} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: {len(body) - 100}\r\n\r\n"
    )
    async with hearing(nats_server) as served, raw(served.http.base_url.port or 0) as client:
        await client.send(head.encode() + body)
        first = await client.head()

    assert first.startswith("HTTP/1.1 400 ")


async def test_files_take_up_no_more_disk_than_they_may(nats_server: str) -> None:
    """As much as those that may be in work at once; who has left makes room again."""
    body = ASKED + file(FILE + bytes(100_000)) + END
    head = (
        f"POST {FORM} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    bounds = {"openai_recordings": 1, "openai_max_recording_bytes": len(body)}
    async with hearing(nats_server, settings=bounds) as served:
        async with raw(served.http.base_url.port or 0) as client:
            await client.send(head.encode() + body[:-1])
            async with asyncio.timeout(20):
                while (busy := await posted(served, body, TYPE))[0] == 200:
                    await asyncio.sleep(0.05)  # the first one's bytes are on their way
        async with asyncio.timeout(20):
            while (free := await posted(served, body, TYPE))[0] != 200:
                await asyncio.sleep(0.05)

    assert (busy[0], busy[1]["error"]["code"]) == (503, "busy")
    assert free[0] == 200
