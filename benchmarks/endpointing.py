"""``voicebus bench endpointing``: whom the waits for the end of a turn cut off.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks import command, measure, report
from benchmarks.endpointing_figures import Pause, bars, figures, void_reasons
from benchmarks.prompts import is_sentence
from benchmarks.sound import Samples, gaps, lengthened, pink_noise, speech_level, spoken
from benchmarks.stt_manifest import Spoken, read_manifest
from schemas.settings import EndOfTurn
from services.stt.__main__ import build_ears
from services.stt.ears import Ears
from services.stt.endpointing import WINDOW_SAMPLES, Endpointer
from services.stt.engine import Hint
from services.stt.hold import Hold
from services.stt.marks import PauseStarted
from services.stt.scheduler import Priority
from services.stt.settings import SttSettings
from services.stt.vad import SileroVad, VadState
from voicebus import settings
from voicebus.caller import RATE_HZ
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder

NOISE_SNR_DB: Final = (20.0, 10.0)
_NOISY_EACH: Final = 4
"""Every fourth pause is heard in noise as well, at both levels by turns."""

_GAP_MS: Final = 50
_GAPS: Final = 5
"""Of one recording at most, so that long ones do not decide."""

_FIRST_S: Final = 0.4
_LAST_S: Final = 0.3
"""Of a recording: what is shorter than that is no part of a sentence."""

_PAUSE_MS: Final = 1500
_QUIET_S: Final = 1.0
_LEAD_S: Final = 0.2
_ROOM: Final = 2.0
"""Standard deviation of the silence around a recording, in steps of 16 bits."""

_SEEN_FROM_MS: Final = -300
_SEEN_TO_MS: Final = 700
"""A pause that voice detection sees in these bounds of the real one is that one."""


class Quiet(Struct, frozen=True):
    """Where somebody falls silent.

    Fields
        spoken: The recording.
        samples: What is heard: mono at 16 kHz.
        end: Behind the last sample of the speech before the silence.
        complete: Whether nothing comes afterwards.
        snr_db: Level of the speech over the noise; None without noise.
    """

    spoken: Spoken
    samples: Samples
    end: int
    complete: bool
    snr_db: float | None = None


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    return command.run("endpointing", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench endpointing", description=__doc__)
    add = parser.add_argument
    add("--manifest", type=Path, action="append", required=True, metavar="TSV", help="utterances")
    add("--root", type=Path, required=True, metavar="DIR", help="folder of their files")
    add("--limit", type=int, default=0, help="utterances of each list, by chance (all)")
    add("--seed", type=int, default=1, help="of all that is by chance (1)")
    add("--json", type=Path, metavar="FILE", help="write all of it to a file")
    add("--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void")
    return parser.parse_args(arguments)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    utterances = [
        one
        for manifest in args.manifest
        for one in read_manifest(manifest, args.root, "", args.limit, args.seed)
    ]
    chance = np.random.default_rng(args.seed)
    store = ModelStore(default_folder(os.environ))
    chosen = settings.read(SttSettings, {}, "STT_")
    ears = build_ears(chosen, store)
    vad = SileroVad(store.path("silero-vad") / "silero_vad.onnx")
    watch = command.Watch()
    found: list[Pause] = []
    try:
        await ears.start()
        for number, one in enumerate(utterances):
            for quiet in _quiets(one, number, chance):
                pause = await _judged(quiet, ears, vad, chance)
                if pause is not None:
                    found.append(pause)
            print(f"{number + 1} of {len(utterances)}", end="\r", file=sys.stderr, flush=True)
    finally:
        await ears.close()
    if reasons := void_reasons(found):
        raise ConfigError("; ".join(reasons))
    measured = figures(found)
    return report.Report(
        command=command.line("endpointing", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions={**measure.versions(), "model": chosen.model, "turn_model": chosen.turn_model},
        seed=args.seed,
        figures=measured,
        bars=bars(measured),
        void=(),
        turns=found,
    )


def _quiets(one: Spoken, number: int, chance: np.random.Generator) -> Iterator[Quiet]:
    """Yield the pauses of a recording: after it, if it is a whole sentence, and in its gaps."""
    said = spoken(one.pcm)
    inner = [
        gap
        for gap in gaps(said, _GAP_MS)
        if gap.begin >= _FIRST_S * RATE_HZ and gap.end <= len(said) - _LAST_S * RATE_HZ
    ]
    chosen = sorted(chance.permutation(len(inner))[:_GAPS])
    heard = [Quiet(one, said, len(said), complete=True)] if is_sentence(one.text) else []
    for index in chosen:
        paused = lengthened(said, inner[index], _PAUSE_MS, chance)
        heard.append(Quiet(one, paused, inner[index].begin, complete=False))
    snr_db = NOISE_SNR_DB[number // _NOISY_EACH % len(NOISE_SNR_DB)]
    for place, quiet in enumerate(heard):
        yield quiet
        if (number + place) % _NOISY_EACH == 0:
            yield Quiet(one, quiet.samples, quiet.end, quiet.complete, snr_db)


async def _judged(
    quiet: Quiet, ears: Ears, vad: SileroVad, chance: np.random.Generator
) -> Pause | None:
    """Return how a pause is judged; None if voice detection does not see it."""
    lead = int(_LEAD_S * RATE_HZ)
    heard = _in_a_room(quiet, lead, chance).astype(np.float32) / np.float32(32768)
    seen = _seen(heard, quiet.end + lead, ears, vad)
    if seen is None or ears.turns is None:
        return None
    samples = heard[seen.start_sample : seen.decided_sample]
    hint = Hint(language=quiet.spoken.language)
    timed = await ears.scheduler.recognise(samples, hint, Priority.DRAFT)
    return Pause(
        recording=Path(quiet.spoken.file).stem,
        language=quiet.spoken.language,
        complete=quiet.complete,
        snr_db=quiet.snr_db,
        lag_ms=(seen.end_sample - lead - quiet.end) * 1000 / RATE_HZ,
        sound=await ears.turns.completion(samples, quiet.spoken.file),
        text=ears.words_in(timed.recognition, seen.speech_ms),
        confidence=timed.recognition.confidence,
    )


def _in_a_room(quiet: Quiet, lead: int, chance: np.random.Generator) -> Samples:
    after = np.zeros(int(_QUIET_S * RATE_HZ), np.int16)
    whole = np.concatenate([np.zeros(lead, np.int16), quiet.samples, after]).astype(np.float64)
    if quiet.snr_db is None:
        whole += chance.normal(0, _ROOM, len(whole))
    else:
        level = speech_level(quiet.samples) - quiet.snr_db
        whole += pink_noise(len(whole), level, chance)
    return np.clip(np.round(whole), -32767, 32767).astype(np.int16)


def _seen(heard: NDArray[np.float32], end: int, ears: Ears, vad: SileroVad) -> PauseStarted | None:
    """Return the pause that voice detection sees where the speech ends."""
    held = Hold(EndOfTurn(policy="patient")).endpointing(ears.endpointing, max_turn_s=60)
    endpointer, state = Endpointer(held), VadState()
    windows = heard[: len(heard) // WINDOW_SAMPLES * WINDOW_SAMPLES].reshape(-1, 1, WINDOW_SAMPLES)
    found: PauseStarted | None = None
    for probability in vad.stretches(windows, [state])[:, 0]:
        for mark in endpointer.push(float(probability)):
            if not isinstance(mark, PauseStarted):
                continue
            lag_ms = (mark.end_sample - end) * 1000 / RATE_HZ
            if _SEEN_FROM_MS < lag_ms < _SEEN_TO_MS:
                found = mark
    return found
