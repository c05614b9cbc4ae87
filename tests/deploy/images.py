"""The Dockerfile, as far as the tests read it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.deploy.stage import ROOT

DOCKERFILE: Final = ROOT / "deploy" / "docker" / "Dockerfile"


class Image:
    """A target of the Dockerfile, with what it has of those that it is made from.

    Args:
        name: The target.
        lines: Its instructions, those of its bases first.
    """

    def __init__(self, name: str, lines: list[tuple[str, str]]) -> None:
        self.name = name
        self._lines = lines

    def all(self, instruction: str) -> list[str]:
        """Every value of an instruction."""
        return [value for key, value in self._lines if key == instruction]

    @property
    def argv(self) -> tuple[str, ...]:
        """What a container of it executes."""
        return (*self._words("ENTRYPOINT"), *self._words("CMD"))

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """What every command of a container of it begins with."""
        return self._words("ENTRYPOINT")

    @property
    def environment(self) -> dict[str, str]:
        """Its settings."""
        words = [word for value in self.all("ENV") for word in shlex.split(value)]
        given = dict(word.split("=", 1) for word in words)
        return {name: value for name, value in given.items() if name.startswith("VOICEBUS_")}

    @property
    def health(self) -> tuple[str, ...]:
        """The command of its health check."""
        return tuple(json.loads(self.all("HEALTHCHECK")[-1].partition("CMD ")[2]))

    def unpack(self, folder: Path) -> dict[str, Path]:
        """Put the files that its last stage takes from the project into a folder.

        Returns:
            The folders that hold them, by their path in the image.
        """
        unpacked = {}
        for value in self.all("COPY"):
            *sources, target = shlex.split(value)
            if sources[0].startswith("--from=") or not target.startswith("/"):
                continue
            (folder / target.strip("/")).mkdir(parents=True, exist_ok=True)
            for source in sources:
                shutil.copy(ROOT / source, folder / target.strip("/"))
            unpacked[target.rstrip("/")] = folder / target.strip("/")
        return unpacked

    def _words(self, instruction: str) -> tuple[str, ...]:
        given = self.all(instruction)
        return tuple(json.loads(given[-1])) if given else ()


def images() -> dict[str, Image]:
    """Every target by its name."""
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for instruction, value in _instructions():
        if instruction == "FROM":
            base, _, name = value.partition(" AS ")
            current = stages[name] = list(stages.get(base, [("BASE", base)]))
        else:
            current.append((instruction, value))
    return {name: Image(name, lines) for name, lines in stages.items()}


def steps() -> dict[str, None]:
    """Every command of a RUN line, once: what a build executes."""
    lines = [value for instruction, value in _instructions() if instruction == "RUN"]
    return dict.fromkeys(step.strip() for line in lines for step in line.split("&&"))


def shipped() -> dict[str, Image]:
    """The targets that are images: those that are not only there for others."""
    return {
        name: image
        for name, image in images().items()
        if name != "build" and not name.endswith("-packages")
    }


def _instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            instruction, _, value = line.partition(" ")
            yield instruction, value.strip()
