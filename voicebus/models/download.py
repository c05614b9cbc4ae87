"""One file over HTTP into a ``.part`` file: resumed after a cut, checked, never half-believed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
import msgspec

from voicebus.errors import ModelError
from voicebus.models.disk import sha256_of, size_of

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
CHUNK_BYTES = 256 * 1024
# A connection may be cut this often as long as each one brought bytes …
MOST_CUTS = 100
# … and this often in a row without any.
MOST_EMPTY_CUTS = 2
PAUSE_S = 0.5

_REFUSALS = frozenset({401, 403, 407, 429})


class SourceUnreachable(ModelError):
    """Raised when a place does not answer or refuses everybody: not worth asking again now."""


class Want(msgspec.Struct, frozen=True):
    """The bytes that a download must have."""

    size_bytes: int
    sha256: str


class _StartOver(Exception):
    """The server cannot continue where the ``.part`` file ends."""


def open_client() -> httpx2.Client:
    """Return an HTTP client that follows redirects and honours the environment's proxies."""
    return httpx2.Client(
        follow_redirects=True,
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        headers={"User-Agent": "voicebus", "Accept-Encoding": "identity"},
    )


def download(
    client: httpx2.Client, url: str, part: Path, want: Want, moved: Callable[[int], None]
) -> None:
    """Fetch ``url`` until ``part`` holds exactly the bytes that ``want`` describes.

    What an earlier attempt left in ``part`` is continued with a Range request. If the whole then
    has the wrong hash, it is fetched once more from its beginning. ``moved`` is told how many
    bytes are there.

    Raises:
        SourceUnreachable: The server cannot be reached or refuses; ``part`` is kept.
        ModelError: The server has no such file, or other bytes.
    """
    resumed = size_of(part) > 0
    _complete(client, url, part, want, moved)
    found = sha256_of(part)
    if found != want.sha256 and resumed:
        part.unlink()
        _complete(client, url, part, want, moved)
        found = sha256_of(part)
    if found != want.sha256:
        part.unlink()
        raise ModelError(f"the bytes are not the expected ones (SHA-256 {found[:12]}…)")


def _complete(
    client: httpx2.Client, url: str, part: Path, want: Want, moved: Callable[[int], None]
) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    if urlsplit(url).scheme == "file":
        _copy(url, part, want)
        return
    empty_cuts = 0
    for _ in range(MOST_CUTS):
        before = max(size_of(part), 0)
        if before == want.size_bytes:
            moved(before)
            return
        cause: Exception | None = None
        try:
            _stream(client, url, part, want, moved)
        except _StartOver:
            part.unlink(missing_ok=True)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as err:
            raise SourceUnreachable(f"{_host(url)} cannot be reached ({_reason(err)})") from err
        except httpx2.TransportError as err:
            cause = err
        except (httpx2.HTTPError, httpx2.InvalidURL) as err:
            raise ModelError(f"{_host(url)} did not answer as it should ({_reason(err)})") from err
        if size_of(part) > before:
            empty_cuts = 0
            continue
        empty_cuts += 1
        # Silence has cost a whole read timeout already: no second one.
        if empty_cuts > MOST_EMPTY_CUTS or isinstance(cause, httpx2.TimeoutException):
            raise SourceUnreachable(f"{_host(url)} breaks off ({_reason(cause)})") from cause
        time.sleep(PAUSE_S)
    raise SourceUnreachable(f"{_host(url)} broke off {MOST_CUTS} times")


def _stream(
    client: httpx2.Client, url: str, part: Path, want: Want, moved: Callable[[int], None]
) -> None:
    start = max(size_of(part), 0)
    if start > want.size_bytes:
        raise _StartOver
    headers = {"Range": f"bytes={start}-"} if start else {}
    with client.stream("GET", url, headers=headers) as response:
        start = _accept(response, start, want)
        done = start
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_raw(CHUNK_BYTES):
                done += len(chunk)
                if done > want.size_bytes:
                    break
                file.write(chunk)
                moved(done)
    if done > want.size_bytes:
        part.unlink()
        raise ModelError(f"more than the expected {want.size_bytes} bytes came")


def _accept(response: httpx2.Response, start: int, want: Want) -> int:
    """Return the offset at which the body begins, or raise when it is of no use."""
    status = response.status_code
    host = response.url.host
    if status == httpx2.codes.RANGE_NOT_SATISFIABLE:
        raise _StartOver
    if status in _REFUSALS or status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise SourceUnreachable(f"{host} answers {status} {response.reason_phrase}")
    if status == httpx2.codes.PARTIAL_CONTENT and start:
        unit = response.headers.get("Content-Range", "")
        if not unit.startswith(f"bytes {start}-"):
            raise _StartOver
        total = unit.rpartition("/")[2]
    elif status == httpx2.codes.OK:
        start = 0
        total = response.headers.get("Content-Length", "")
    else:
        raise ModelError(f"{host} answers {status} {response.reason_phrase}")
    if total.isdigit() and int(total) != want.size_bytes:
        raise ModelError(f"the file has {total} bytes instead of {want.size_bytes}")
    return start


def _copy(url: str, part: Path, want: Want) -> None:
    """Take a file of this machine: an index may be a folder."""
    path = Path(unquote(urlsplit(url).path))
    if size_of(path) != want.size_bytes:
        raise ModelError(f"{path} has not the expected {want.size_bytes} bytes")
    shutil.copyfile(path, part)


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _reason(err: Exception | None) -> str:
    if err is None:
        return "the connection ended early"
    return str(err) or type(err).__name__
