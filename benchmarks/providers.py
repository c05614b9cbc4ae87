"""``voicebus bench providers``: how long a reply waits whose first provider fails.

Documented in docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks import command, measure, provider_figures, report
from benchmarks.provider_fakes import BEGINNING, CASES, MID_STREAM, REST, bad, good, listening
from benchmarks.provider_figures import ProviderRow
from benchmarks.systems import base_environment, starter
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, GenerationDone, Message, TokenDelta
from subjects.tokens import new_token
from voicebus import parts
from voicebus.bus.client import connect
from voicebus.errors import EngineTimeout, NoWorker
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions
from voicebus.settings import PREFIX, BusSettings
from voicebus.supervisor import UpSettings

_KIND: Final = "bench"
_LIMIT_S: Final = 30.0
_DEADLINES_MS: Final = {"hangs": 300.0, "stalls": 200.0, "drips": 200.0}

_FILE: Final = """
failures = 1000000
[providers.first]
url = "{bad}"
model = "m"
prefill = true
first_token_s = 0.3
next_token_s = 0.2
[providers.second]
url = "{good}"
model = "m"
prefill = true
"""


def main(arguments: list[str]) -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(prog="voicebus bench providers", description=__doc__)
    parser.add_argument("--turns", type=int, default=20, help="of each case (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of turns (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it to a file")
    parser.add_argument(
        "--check", action="store_true", help="exit code 1 if a bar does not hold, 2 if void"
    )
    args = parser.parse_args(arguments)
    return command.run("providers", _run(args, arguments), args)


async def _run(args: argparse.Namespace, arguments: list[str]) -> report.Report:
    watch = command.Watch()
    with tempfile.TemporaryDirectory(prefix="voicebus-bench-") as name:
        rows = await _measure(Path(name), args.turns, args.seed)
    found = provider_figures.figures(rows)
    return report.Report(
        command=command.line("providers", arguments),
        date=command.now(),
        machine=watch.machine(),
        versions=measure.versions(),
        seed=args.seed,
        figures=found,
        bars=provider_figures.bars(found),
        void=provider_figures.void_reasons(rows, BEGINNING + REST),
        turns=rows,
    )


async def _measure(folder: Path, turns: int, seed: int) -> list[ProviderRow]:
    cases = [case for case in CASES for _ in range(turns)]
    random.Random(seed).shuffle(cases)
    async with listening(bad) as first, listening(good) as second, starter(folder) as started:
        listed = folder / "providers.toml"
        listed.write_text(_FILE.format(bad=first, good=second))
        up = UpSettings(data_dir=str(folder), nats_port=parts.free_port())
        environ = base_environment()
        nats = parts.nats_part(up, environ)
        await started.start(nats)
        own = {f"{PREFIX}NATS_URL": nats.shown_url, f"{PREFIX}LLM_PROVIDERS_FILE": str(listed)}
        given = parts.environment({**environ, **own})
        await started.start(parts.worker_part("llm", given))
        bus = await connect(BusSettings(nats_url=nats.shown_url), "bench")
        sessions = Sessions(bus, new_token("e"), _KIND, 10)
        serving = asyncio.create_task(sessions.run())
        try:
            await _turn(sessions, "direct")  # the first one opens connections
            return [await _turn(sessions, case) for case in cases]
        finally:
            serving.cancel()
            await asyncio.wait((serving,))
            await bus.close()


async def _turn(sessions: Sessions, case: str) -> ProviderRow:
    """Ask once, as an API's edge does; say how long the other one's first word took."""
    messages = (Message(role="user", content=case),)
    text, said_s = "", 0.0
    async with sessions.open(_KIND, roles=("llm",)) as session:
        said_s = time.perf_counter()
        await session.ask(GenerateRequest(messages=messages, turn=1, spoken=False))
        waited_ms = 0.0
        while True:
            event = await _next(session)
            match event:
                case TokenDelta():
                    now_s = time.perf_counter()
                    is_beginning = case in MID_STREAM and not text
                    if not is_beginning and not waited_ms:
                        waited_ms = (now_s - said_s) * 1000
                    said_s = now_s
                    text = event.behind(text)
                case Failure():
                    return ProviderRow(case=case, deadline_ms=0.0, error=event.code)
                case GenerationDone():
                    return ProviderRow(
                        case=case,
                        deadline_ms=_DEADLINES_MS.get(case, 0.0),
                        waited_ms=round(waited_ms, 3),
                        text=text,
                        failovers=event.failovers,
                    )


async def _next(session: Session) -> Event:
    try:
        async with asyncio.timeout(_LIMIT_S):
            _, event = await session.inbox.next()
    except TimeoutError as err:
        raise EngineTimeout("a turn had no end") from err
    except StopAsyncIteration as err:
        raise NoWorker("the session has ended") from err
    return event
