"""``voicebus bench failover``: processes are killed while people talk; what do they notice?

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import alignment, command, failover_figures, failover_log, measure, report
from benchmarks.alignment import Found, Samples
from benchmarks.apart import starter_apart
from benchmarks.doubled import PACED, REPLY, Doubled, start_doubled
from benchmarks.failover_judgement import TurnRow, harmful, judged, measures, near
from benchmarks.failover_log import SessionLog
from benchmarks.failover_turns import Talk, Turn
from benchmarks.kills import Executioner, Kill, plan
from benchmarks.recordings import Recording, recordings
from benchmarks.systems import REAL, SYNTHETIC, base_environment, start_llama
from subjects.streams import STAGES
from voicebus.audio.loudness import last_speech_sample
from voicebus.bus.client import Bus, connect
from voicebus.caller import RATE_HZ
from voicebus.punctual import punctual
from voicebus.settings import PREFIX

KINDS: Final = (*STAGES, "edge", "supervisor", "nats")
SPEECH_S: Final = 2.0
STEADY_S: Final = 3.0
"""Whoever is killed is killed again and again; it is started anew at once each time."""

_RECORDINGS: Final = 3
_AFTER: Final = 2
_SPARE_S: Final = 1.0
_APART_S: Final = 0.7
LEAD: Final = RATE_HZ // 2
"""Silence before each recording: an utterance begins a little before its first sound, and the first
one of a session would be shorter than the others."""
_NOBODY: Final = Found(-1, -1, alignment.Harm())


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    args = _arguments(arguments)
    with punctual():
        return command.run("failover", _run(args, arguments), args)


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="voicebus bench failover", description=__doc__)
    parser.add_argument(
        "--kill", action="append", choices=KINDS, help="only this; may be given several times"
    )
    parser.add_argument("--count", type=int, default=70, help="how many kills (70)")
    parser.add_argument("--callers", type=int, default=6, help="at once (6)")
    parser.add_argument(
        "--stop-ratio",
        type=float,
        default=0.1,
        help="part of the workers that are stopped for a while and not killed (0.1)",
    )
    parser.add_argument(
        "--no-supervisor", action="store_true", help="leave takeovers to JetStream's deadline"
    )
    parser.add_argument("--engines", choices=("synthetic", "real"), default="synthetic")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn (1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and data there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    return parser.parse_args(arguments)


class Plan(Struct, frozen=True, kw_only=True):
    """A run.

    Fields
        kinds: What is killed.
        count: How many kills.
        callers: At once.
        stop_ratio: Which part of the workers is stopped, not killed.
        supervisors: How many hand on what the dead held.
        engines: ``synthetic`` or ``real``.
        seed: Of everything that is drawn.
        before: How many turns each caller holds before the first kill.
    """

    kinds: tuple[str, ...]
    count: int
    callers: int
    stop_ratio: float = 0.1
    supervisors: int = 1
    engines: str = "synthetic"
    seed: int = 1
    before: int = 4


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    kinds = tuple(args.kill or KINDS)
    chosen = Plan(
        kinds=tuple(k for k in kinds if k != "supervisor") if args.no_supervisor else kinds,
        count=args.count,
        callers=args.callers,
        stop_ratio=args.stop_ratio,
        supervisors=0 if args.no_supervisor else 1,
        engines=args.engines,
        seed=args.seed,
    )
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        kills, rows = await measure_failover(args.keep or Path(name), base_environment(), chosen)
    found = failover_figures.figures(rows, kills, chosen.supervisors)
    return report.Report(
        command=command.line("failover", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=failover_figures.bars(found),
        void=failover_figures.void_reasons(rows, kills, watch.stolen_ratio),
        turns=[*kills, *rows],
    )


async def measure_failover(
    folder: Path, environ: Mapping[str, str], chosen: Plan
) -> tuple[list[Kill], list[TurnRow]]:
    """Have callers talk and processes killed; return the kills, and what became of each turn.

    Args:
        folder: For data and logs.
        environ: Settings of all parts; those of the engines are added.
        chosen: How.

    Raises:
        PartFailed: A part does not come up.
    """
    spoken = spoken_sentences()
    async with starter_apart(folder, STEADY_S) as started:
        environ = {**environ, **PACED, f"{PREFIX}LLM_SYNTHETIC_REPLY": REPLY}
        if chosen.engines == "real":
            url = await start_llama(started, environ)
            environ = {**environ, **REAL, f"{PREFIX}LLM_URL": url}
        else:
            environ = {**environ, **SYNTHETIC}
        system = await start_doubled(started, environ, chosen.supervisors)
        bus = await connect(system.bus_settings("admin"), "bench")
        try:
            _say("the system is ready")
            talks, kills = await _talk(system, bus, spoken, chosen)
            turns = [turn for talk in talks for turn in talk.turns]
            sessions = {turn.session for turn in turns}
            logs = {name: await failover_log.fetch(bus, name) for name in sessions}
        finally:
            await bus.close()
    reply = REPLY if chosen.engines == "synthetic" else ""
    samples = {recording.name: recording.samples[LEAD:] for recording in spoken}
    return kills, compared([talk.turns for talk in talks], logs, kills, samples, reply)


async def _talk(
    system: Doubled, bus: Bus, spoken: Sequence[Recording], chosen: Plan
) -> tuple[list[Talk], list[Kill]]:
    talks = [Talk(n, system.url, spoken, chosen.seed) for n in range(chosen.callers)]
    executioner = Executioner(system, bus, talks, chosen.seed)
    planned = plan(chosen.kinds, chosen.count, chosen.callers, chosen.stop_ratio, chosen.seed)
    kills: list[Kill] = []
    until: dict[int, int] = {}

    def is_over(index: int) -> bool:
        return index in until and len(talks[index].turns) >= until[index]

    async def one(index: int) -> None:
        # People do not all begin at once.
        await asyncio.sleep(index * _APART_S)
        await talks[index].hold(lambda: is_over(index))

    async with asyncio.TaskGroup() as group:
        for index in range(chosen.callers):
            group.create_task(one(index))
        for talk in talks:
            for _ in range(chosen.before):
                await talk.reached("utterance")
        for number, each in enumerate(planned, 1):
            kills.append(await executioner.strike(each, SPEECH_S))
            _say(f"{number} of {len(planned)}: {kills[-1].sign} {kills[-1].name}, {each.phase}")
        until = {index: len(talk.turns) + _AFTER for index, talk in enumerate(talks)}
    return talks, kills


def compared(
    talks: Sequence[Sequence[Turn]],
    logs: Mapping[str, SessionLog],
    kills: Sequence[Kill],
    samples: Mapping[str, Samples],
    reply: str,
) -> list[TurnRow]:
    """Hold all turns against those that nothing happened to.

    Args:
        talks: Each caller's turns, in their order.
        logs: Each session's log.
        kills: What was killed.
        samples: The recordings, by name.
        reply: What is always answered; empty where that is not known.
    """
    met: list[tuple[Turn, Found, list[Kill], list[Kill]]] = []
    for turns in talks:
        before_s, cursor, session, since_s = 0.0, 0, "", 0.0
        for turn in turns:
            log = logs[turn.session]
            if turn.session != session:
                cursor, since_s = 0, turn.begun_s
            # No more can have been sent since the turn before began.
            until = cursor + int((turn.ended_s - since_s + _SPARE_S) * RATE_HZ)
            place = alignment.find(samples[turn.recording], log.audio[:until], cursor)
            # Who lost the session had not said all of it.
            place = _NOBODY if turn.lost else place
            cursor, session = max(cursor, place.end), turn.session
            if samples[turn.recording].size:  # behind what is typed its silence is still to come
                since_s = turn.begun_s
            harming = harmful(turn, before_s, log, kills)
            met.append((turn, place, near(turn, before_s, kills), harming))
            before_s = turn.ended_s
    unharmed = [(turn, place) for turn, place, around, _ in met if not around and not turn.lost]
    known = measures([t for t, _ in unharmed], [p for _, p in unharmed], samples, reply)
    return [
        judged(turn, place, known.get(turn.recording), around, harming)
        for turn, place, around, harming in met
    ]


def spoken_sentences() -> list[Recording]:
    """Return what is said: silence, then the beginning of a recording, up to its last word."""
    found = []
    for recording in recordings(None)[:_RECORDINGS]:
        begin = recording.first(SPEECH_S)
        last = last_speech_sample(begin.samples, RATE_HZ)
        speech = begin.samples[: None if last is None else last + 1]
        whole = np.concatenate([np.zeros(LEAD, np.int16), speech])
        found.append(Recording(begin.name, whole))
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
