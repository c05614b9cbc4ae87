"""A model hub and a package index on loopback, for the tests of the model store."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from voicebus.errors import ModelError
from voicebus.models.lock import HubSource, Lock, Member, Model, ModelFile, Wheel, WheelSource
from voicebus.models.sources import Hub, Index, Release
from voicebus.models.store import ModelStore

REPO = "maker/voice"
REVISION = "c0ffee"


class Place:
    """What a server on loopback offers, and what was asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: dict[str, list[int]] = {}
        self.status: dict[str, int] = {}
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self.pause_s = 0.0

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(asked == path for asked, _ in self.asked)

    def put_on_hub(self, path: str, content: bytes) -> str:
        """Offer a file of the repository, and return its path on the server."""
        address = f"/{REPO}/resolve/{REVISION}/{path}"
        self.files[address] = content
        return address

    def put_wheel(self, name: str, members: dict[str, bytes]) -> Wheel:
        """Offer a real wheel with these members."""
        content = wheel_bytes(members)
        self.files[f"/wheels/{name}.whl"] = content
        return Wheel(name=name, version="1.0", size_bytes=len(content), sha256=sha256(content))


@contextmanager
def serving(place: Place) -> Iterator[Place]:
    """Serve a place until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked.append((self.path, self.headers.get("Range", "")))
            content = place.files.get(self.path)
            if content is None or self.path in place.status:
                self.send_error(place.status.get(self.path, 404))
                return
            asked = self.headers.get("Range", "")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            time.sleep(place.pause_s)
            body = content[start:]
            if cuts := place.cut_after.get(self.path):
                body = body[: cuts.pop(0)]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    place.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield place
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Notes:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[str] = []
        self.moves: list[int] = []

    def say(self, text: str) -> None:
        """Remember a sentence."""
        self.said.append(text)

    def begin(self, label: str, total_bytes: int) -> None:
        """Remember a download."""
        self.begun.append(label)

    def moved(self, done_bytes: int) -> None:
        """Remember a figure."""
        self.moves.append(done_bytes)

    def end(self) -> None:
        """Nothing to do."""

    @property
    def text(self) -> str:
        """Everything said."""
        return "\n".join(self.said)


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256."""
    return hashlib.sha256(content).hexdigest()


def wheel_bytes(members: dict[str, bytes]) -> bytes:
    """Return the bytes of a wheel, which is a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return out.getvalue()


def index_at(url: str) -> Index:
    """Return an index whose wheels are on the server, without pip."""

    def fetch(name: str, version: str, folder: Path) -> Path:
        raise ModelError("pip cannot either")

    return Index(resolve=lambda name, version: Release(f"{url}/wheels/{name}.whl", ""), fetch=fetch)


def file_of(path: str, content: bytes, *members: tuple[str, str], hub: str = "") -> ModelFile:
    """Return a locked file: on the hub if ``hub`` names its path there, then in wheels."""
    sources: list[HubSource | WheelSource] = []
    if hub:
        sources.append(HubSource(repo=REPO, revision=REVISION, path=hub))
    if members:
        sources.append(WheelSource(tuple(Member(wheel, inner) for wheel, inner in members)))
    return ModelFile(path, len(content), sha256(content), tuple(sources))


def lock_of(*files: ModelFile, wheels: tuple[Wheel, ...] = (), name: str = "voice") -> Lock:
    """Return a lock with one model."""
    model = Model(name, "a test", "MIT", "https://example.org", files, default=True)
    return Lock(model=(model,), wheel=wheels)


OFF = Hub(endpoint="")
"""No hub is asked."""


def store_at(folder: Path, lock: Lock, place: Place) -> ModelStore:
    """Return a store whose hub and index are the place."""
    return ModelStore(folder, lock, Hub(place.url), index_at(place.url))


def leftovers(folder: Path) -> list[str]:
    """Return the files that are neither models nor lock files."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name.startswith((".partial", ".wheels")))
