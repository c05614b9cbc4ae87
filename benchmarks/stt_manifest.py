"""Recorded utterances with what is said in them, and how texts are compared."""

from __future__ import annotations

import csv
import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jiwer
import numpy as np
from numpy.typing import NDArray

from voicebus.audio.resample import Resampler
from voicebus.audio.wav import read_wav
from voicebus.caller import RATE_HZ
from voicebus.errors import ConfigError, VoicebusError

_LANGUAGE: Final = re.compile(r"[-_.]([a-z]{2})$")


@dataclass(slots=True, frozen=True, eq=False)
class Spoken:
    """One utterance.

    Attributes:
        language: ISO 639-1 code that recognisers are told; empty to let them detect it.
        file: Its path below the root.
        pcm: Mono at 16 kHz.
        text: What is said in it.
    """

    language: str
    file: str
    pcm: NDArray[np.int16]
    text: str

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / RATE_HZ

    @property
    def samples(self) -> NDArray[np.float32]:
        """The same, -1 to 1."""
        return self.pcm.astype(np.float32) / np.float32(32768)


def read_manifest(
    manifest: Path, root: Path, language: str, limit: int, seed: int
) -> tuple[Spoken, ...]:
    """Return the utterances of a list, by chance ``limit`` of them when there are more.

    Args:
        manifest: Tab-separated with a head line; the columns ``file`` and ``text`` are used.
        root: Folder of the files: WAV, 16 bit.
        language: ISO 639-1 code, ``detect``, or empty for the end of the list's name: ``dev-ru``.
        limit: 0 for all.
        seed: Of the choice.

    Raises:
        ConfigError: The list or a file cannot be read, or there is no utterance with words.
    """
    if not language:
        found = _LANGUAGE.search(manifest.stem)
        language = found.group(1) if found else ""
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        wanted = [row for row in rows if normalised(row["text"])]
    except (OSError, KeyError, UnicodeDecodeError) as err:
        raise ConfigError(f"{manifest} is no list with the columns file and text") from err
    if not wanted:
        raise ConfigError(f"{manifest} has no utterance with words")
    if 0 < limit < len(wanted):
        wanted = random.Random(seed).sample(wanted, limit)
    known = "" if language == "detect" else language
    return tuple(
        Spoken(known, row["file"], _pcm(root / row["file"]), row["text"]) for row in wanted
    )


def normalised(text: str) -> str:
    """Return a text as error rates compare it: lower case, no punctuation, one kind of e."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("ё", "е").replace("’", "'")
    return " ".join(re.sub(r"[^\w\s']|_", " ", plain).split())


def errors(reference: str, text: str) -> tuple[int, int]:
    """Return (wrong, left out and added words of ``text``, words of ``reference``)."""
    compared = jiwer.process_words(normalised(reference), normalised(text))
    wrong = compared.substitutions + compared.deletions + compared.insertions
    return wrong, compared.hits + compared.substitutions + compared.deletions


def groups(
    utterances: Sequence[Spoken], size: int, count: int, seed: int
) -> list[tuple[Spoken, ...]]:
    """Return up to ``count`` groups of ``size`` utterances by chance, each utterance once."""
    order = list(utterances)
    random.Random(seed).shuffle(order)
    whole = [tuple(order[at : at + size]) for at in range(0, len(order) - size + 1, size)]
    return whole[:count]


def _pcm(path: Path) -> NDArray[np.int16]:
    try:
        rate_hz, samples = read_wav(path)
    except (OSError, VoicebusError) as err:
        raise ConfigError(f"{path} cannot be read") from err
    if rate_hz == RATE_HZ:
        return samples
    resampler = Resampler(rate_hz, RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.finish()])
