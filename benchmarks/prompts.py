"""The recorded sentences that dialogues are made of."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.sound import Samples, spoken
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav
from voicebus.caller import RATE_HZ
from voicebus.errors import ConfigError
from voicebus.parts import project_root

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 4.5
"""Longer sentences take time and say nothing more about turns."""

MANIFEST: Final = Path(__file__).with_name("prompts-en.tsv")
PROMPTS_FOLDER: Final = Path("/usr/share/asterisk/sounds")
"""Where Debian's packages of telephone prompts put them."""

BACKCHANNELS: Final = Path(__file__).with_name("backchannels")


class Prompt:
    """A sentence from its first to its last speech sample.

    Attributes:
        name: Its file, without the suffix.
        samples: Mono at 16 kHz.
        text: What is said; empty where the list does not say it.
        gaps_ms: Where its words are apart, where that is known: the middles of the gaps.
    """

    __slots__ = ("gaps_ms", "name", "samples", "text")

    def __init__(
        self, name: str, samples: Samples, text: str, gaps_ms: tuple[int, ...] | None = None
    ) -> None:
        self.name = name
        self.samples = samples
        self.text = text
        self.gaps_ms = gaps_ms

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE_HZ


def read_prompts(manifest: Path, root: Path) -> tuple[Prompt, ...]:
    """Return the sentences of a list: whole ones, not too short and not too long.

    Args:
        manifest: Lines of file, seconds, text and, where that is known, gaps_ms (numbers, counted
            from the first speech sample, separated by spaces), with a heading, separated by tabs.
            A list without texts has whole sentences only.
        root: What the files' paths start from.

    Raises:
        ConfigError: There is no list, none of its files, or no whole sentence in it.
    """
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except OSError as err:
        raise ConfigError(f"{manifest} cannot be read: {err.strerror}") from err
    rows = csv.DictReader(
        (line for line in lines if not line.startswith("#")), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    whole = [row for row in rows if "text" not in row or is_sentence(row["text"])]
    there = [row for row in whole if (root / row["file"]).exists()]
    read = [
        _prompt(root / row["file"], row.get("text", "").strip(), row.get("gaps_ms"))
        for row in there
    ]
    found = tuple(prompt for prompt in read if SHORTEST_S <= prompt.seconds <= LONGEST_S)
    if not found:
        raise ConfigError(
            f"none of the recordings that {manifest.name} names are in {root}; Debian has them: "
            "apt-get install asterisk-core-sounds-en-wav"
        )
    return found


def _prompt(path: Path, text: str, gaps_ms: str | None) -> Prompt:
    known = None if gaps_ms is None else tuple(int(ms) for ms in gaps_ms.split())
    return Prompt(path.stem, recorded(path), text, known)


def project_samples(longest_s: float = LONGEST_S) -> tuple[Prompt, ...]:
    """Return the project's own recordings of bearable length."""
    folder = project_root() / "examples" / "samples"
    listed = tomllib.loads((folder / "samples.toml").read_text(encoding="utf-8"))["sample"]
    found = (Prompt(Path(s["file"]).stem, recorded(folder / s["file"]), s["text"]) for s in listed)
    return tuple(prompt for prompt in found if prompt.seconds <= longest_s)


def backchannels() -> tuple[Prompt, ...]:
    """Return the short words with which a listener shows that it listens."""
    return tuple(
        Prompt(path.stem, recorded(path), path.stem.replace("-", " "))
        for path in sorted(BACKCHANNELS.glob("*.wav"))
    )


def is_sentence(text: str) -> bool:
    """Whether a text is written as a whole sentence: a part of one may well go on."""
    said = text.strip()
    return said[:1].isupper() and said.endswith((".", "!", "?")) and not said.endswith("...")


def recorded(path: Path) -> Samples:
    """Read a WAV file at any rate; return its speech at 16 kHz."""
    rate_hz, samples = read_wav(path)
    if rate_hz != RATE_HZ:
        resampler = Resampler(rate_hz, RATE_HZ)
        samples = np.concatenate([resampler.push(samples), resampler.finish()])
    return spoken(samples)
