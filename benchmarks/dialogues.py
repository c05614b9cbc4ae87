"""Scripted dialogues, made of recorded sentences. Pure: the same seed makes the same dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from msgspec import Struct

from benchmarks.moves import Dialogue, Move
from benchmarks.prompts import Prompt
from benchmarks.sound import Gap, gaps, hum, lengthened, pink_noise, speech_level
from voicebus.caller import RATE_HZ

T = TypeVar("T")

SHORT_PAUSES_MS: Final = (300, 400, 500, 600, 700)
LONG_PAUSES_MS: Final = (800, 900, 1000, 1100)
"""Inner pauses come in bands of 100 ms, which begin here."""

BAND_MS: Final = 100
FOLLOW_UP_MS: Final = (300, 500)
HUM_MS: Final = (250, 450)
NOISE_SNR_DB: Final = (20.0, 10.0)
INTERRUPTIONS_MS: Final = (
    (40, 300, 80, 600, 1200, 60, 150, 900, 500, 20),  # ten in a row
    (700, 30, 1500),
    (90, 1000, 400),
    (1800, 60, 250),
)
"""For each dialogue: how long after the first audible sample of a reply the caller cuts in."""

_SHARE_NOISY: Final = 0.2
_LONGEST_NATURAL_MS: Final = 250.0
_PART_S: Final = 0.5
_GAP_MS: Final = 50
_SURE_GAP_MS: Final = 100
_SAME_GAP_MS: Final = 40.0
_INTERRUPTER_S: Final = 2.6
_SILENCE_S: Final = 8.0
_BACKGROUND_S: Final = 30.0
_NOISE_ALONE_DBFS: Final = -40.0
_NONE: Final = np.zeros(0, np.int16)


class Amounts(Struct, frozen=True):
    """How many dialogues of each kind.

    Fields
        complete: Whole sentences.
        short_pauses: With an inner pause below 800 ms, for each band.
        long_pauses: With one from 800 ms on, for each band.
        hesitant: With a held vowel before an inner pause.
        follow_ups: Two sentences, the second one 300 to 500 ms after the first.
        interruptions: Dialogues with interruptions, see ``INTERRUPTIONS_MS``.
        backchannels: A word while the reply is heard.
        quiet: Nothing, and noise alone: each.
    """

    complete: int = 36
    short_pauses: int = 9
    long_pauses: int = 2
    hesitant: int = 6
    follow_ups: int = 6
    interruptions: int = 4
    backchannels: int = 6
    quiet: int = 2

    @property
    def total(self) -> int:
        """How many dialogues they are."""
        paused = self.short_pauses * len(SHORT_PAUSES_MS) + self.long_pauses * len(LONG_PAUSES_MS)
        others = self.hesitant + self.follow_ups + self.interruptions + self.backchannels
        return self.complete + paused + others + 2 * self.quiet

    def scaled(self, share: float) -> Amounts:
        """Return a part of them, at least one of each kind."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return Amounts(**{name: max(1, round(value * share)) for name, value in fields.items()})


class Maker:
    """Makes dialogues from sentences and one source of chance."""

    def __init__(
        self, prompts: Sequence[Prompt], backchannels: Sequence[Prompt], seed: int
    ) -> None:
        self._chance = np.random.default_rng(seed)
        self._backchannels = backchannels
        self._whole = [p for p in prompts if not gaps(p.samples, _LONGEST_NATURAL_MS)]
        self._short = [p for p in self._whole if p.seconds <= _INTERRUPTER_S] or self._whole
        self._parted = [
            (p, gap)
            for p in prompts
            for gap in word_gaps(p)
            if set(gaps(p.samples, _LONGEST_NATURAL_MS)) <= {gap}
        ]
        self._drawn: dict[int, list[int]] = {}

    def make(self, amounts: Amounts) -> tuple[Dialogue, ...]:
        """Return all dialogues, in an order by chance."""
        single = [self._complete() for _ in range(amounts.complete)]
        bands = [(SHORT_PAUSES_MS, amounts.short_pauses), (LONG_PAUSES_MS, amounts.long_pauses)]
        for begins, count in bands:
            single += [self._paused(band, 0) for band in begins for _ in range(count)]
        for number in range(amounts.hesitant):
            single.append(self._paused(SHORT_PAUSES_MS[number % 4], self._between(HUM_MS)))
        single += [self._follow_up() for _ in range(amounts.follow_ups)]
        made = [self._alone(number, move) for number, move in enumerate(single)]
        made += [self._interrupted(at) for at in INTERRUPTIONS_MS[: amounts.interruptions]]
        made += [self._acknowledged(number) for number in range(amounts.backchannels)]
        made += [quiet for number in range(amounts.quiet) for quiet in self._quiet(number)]
        return tuple(made[i] for i in self._chance.permutation(len(made)))

    def _alone(self, number: int, move: Move) -> Dialogue:
        """Return a dialogue of one move; every fifth in noise, at both levels by turns."""
        each = round(1 / _SHARE_NOISY)
        if number % each:
            return Dialogue(f"{move.kind}-{number}", (move,), _NONE)
        snr_db = NOISE_SNR_DB[number // each % len(NOISE_SNR_DB)]
        level = speech_level(move.samples) - snr_db
        noise = pink_noise(int(_BACKGROUND_S * RATE_HZ), level, self._chance)
        return Dialogue(f"{move.kind}-{number}", (move,), noise, snr_db)

    def _complete(self) -> Move:
        prompt = self._draw(self._whole)
        return Move(
            "complete",
            prompt.samples,
            prompt.text,
            ends=(len(prompt.samples) - 1,),
            recordings=(prompt.name,),
        )

    def _paused(self, band_ms: int, hum_ms: int) -> Move:
        """Return a sentence with a pause at a gap between two words, held before it or not."""
        prompt, gap = self._draw(self._parted)
        pause_ms = max(band_ms + int(self._chance.integers(0, BAND_MS)), int(gap.ms) + 1)
        samples = lengthened(prompt.samples, gap, pause_ms, self._chance)
        shift = len(samples) - len(prompt.samples)
        pause = Gap(gap.begin, gap.end + shift)
        if hum_ms:
            held = hum(prompt.samples, gap.begin, hum_ms)
            samples = np.concatenate([samples[: gap.begin], held, samples[gap.begin :]])
            pause = Gap(pause.begin + len(held), pause.end + len(held))
        return Move(
            "hesitant" if hum_ms else "paused",
            samples,
            prompt.text,
            pauses=(pause,),
            ends=(len(samples) - 1,),
            recordings=(prompt.name,),
        )

    def _follow_up(self) -> Move:
        first, second = self._draw(self._whole), self._draw(self._whole)
        quiet = np.zeros(self._between(FOLLOW_UP_MS) * RATE_HZ // 1000, np.int16)
        samples = np.concatenate([first.samples, quiet, second.samples])
        return Move(
            "follow_up",
            samples,
            f"{first.text} {second.text}",
            ends=(len(first.samples) - 1, len(samples) - 1),
            recordings=(first.name, second.name),
        )

    def _interrupted(self, after_ms: Sequence[int]) -> Dialogue:
        moves = [self._complete()]
        for wait_ms in after_ms:
            prompt = self._draw(self._short)
            moves.append(
                Move(
                    "interruption",
                    prompt.samples,
                    prompt.text,
                    cue="audible",
                    wait_ms=wait_ms,
                    ends=(len(prompt.samples) - 1,),
                    recordings=(prompt.name,),
                )
            )
        name = f"interruption-{len(after_ms)}-{after_ms[0]}"
        return Dialogue(name, tuple(moves), _NONE, leave_ms=600)

    def _acknowledged(self, number: int) -> Dialogue:
        word = self._draw(self._backchannels)
        said = Move(
            "backchannel",
            word.samples,
            word.text,
            cue="audible",
            wait_ms=self._between((500, 1300)),
            ends=(len(word.samples) - 1,),
            recordings=(word.name,),
        )
        return Dialogue(f"backchannel-{number}", (self._complete(), said), _NONE)

    def _quiet(self, number: int) -> tuple[Dialogue, Dialogue]:
        count = int(_SILENCE_S * RATE_HZ)
        nothing = np.zeros(count, np.int16)
        noise = pink_noise(count, _NOISE_ALONE_DBFS, self._chance)
        return (
            Dialogue(f"silence-{number}", (Move("silence", nothing, ""),), _NONE),
            Dialogue(f"noise-{number}", (Move("noise", nothing, ""),), noise),
        )

    def _draw(self, things: Sequence[T]) -> T:
        """Return the next of some things in an order by chance: each comes before one comes twice.

        The order belongs to the sequence: another one has its own.
        """
        waiting = self._drawn.setdefault(id(things), [])
        if not waiting:
            waiting += [int(i) for i in self._chance.permutation(len(things))]
        return things[waiting.pop()]

    def _between(self, bounds: tuple[int, int]) -> int:
        return int(self._chance.integers(bounds[0], bounds[1] + 1))


def word_gaps(prompt: Prompt) -> tuple[Gap, ...]:
    """Return the quiet stretches between two words at which a speaker may pause.

    A stop consonant is a quiet stretch as well, in the middle of a word. So a list that names the
    gaps between its words is believed; otherwise only stretches that no consonant has are taken,
    and of one sentence only: a pause behind a whole one ends a turn by right.
    """
    edge = int(_PART_S * RATE_HZ)
    inner = [
        gap
        for gap in gaps(prompt.samples, _GAP_MS)
        if gap.begin >= edge and gap.end <= len(prompt.samples) - edge
    ]
    if prompt.gaps_ms is None:
        several = any(mark in prompt.text.rstrip(".!?") for mark in ".!?")
        return () if several else tuple(gap for gap in inner if gap.ms >= _SURE_GAP_MS)
    return tuple(
        gap
        for gap in inner
        if any(
            abs((gap.begin + gap.end) * 500 / RATE_HZ - ms) <= _SAME_GAP_MS for ms in prompt.gaps_ms
        )
    )
