"""Long recordings made of short ones: whole sentences with pauses between them. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.prompts import Prompt
from benchmarks.sound import Samples
from voicebus.caller import RATE_HZ

PAUSE_S: Final = (0.3, 1.5)
"""Shortest and longest pause of somebody who talks on: some are no end of an utterance."""

_ROOM: Final = 4.0
"""RMS of the noise in a pause, of 32768: no room is digitally silent."""


def talk(sentences: Sequence[Prompt], minutes: float, seed: int) -> tuple[Samples, str]:
    """Return somebody who talks for so long, and what is said.

    Args:
        sentences: What may be said; each comes once before any comes again.
        minutes: How long; the last sentence may be cut short by the end, and is not begun then.
        seed: Of their order and of the pauses.
    """
    chance, noise = random.Random(seed), np.random.default_rng(seed)
    wanted = round(minutes * 60 * RATE_HZ)
    pieces: list[Samples] = []
    texts: list[str] = []
    length, left = 0, list[Prompt]()
    while True:
        left = left or chance.sample(list(sentences), len(sentences))
        sentence = left.pop()
        pause = round(chance.uniform(*PAUSE_S) * RATE_HZ)
        if length + pause + len(sentence.samples) > wanted:
            break
        pieces += [_room(pause, noise), sentence.samples]
        texts.append(sentence.text)
        length += pause + len(sentence.samples)
    pieces.append(_room(wanted - length, noise))
    return np.concatenate(pieces), " ".join(texts)


def _room(count: int, noise: np.random.Generator) -> Samples:
    return np.round(noise.normal(0, _ROOM, count)).astype(np.int16)
