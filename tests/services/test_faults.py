"""The engines without a model go wrong as they are told, and where."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from schemas.llm import GenerateRequest, Message
from services.faults import NO_FAULT, Fault, FaultPlan
from services.llm.engines import synthetic as llm
from services.stt.engine import Hint
from services.stt.engines.synthetic import SyntheticEngine as SttEngine
from services.tts.deadline import Punctual
from services.tts.engine import Engine as TtsEngine
from services.tts.engines import synthetic as tts
from voicebus.errors import EngineError, EngineTimeout

ASK = GenerateRequest(messages=(Message(role="user", content="hello poison"),))
TONE = (0.1 * np.ones(16_000)).astype(np.float32)
TEXT = "Some words that are spoken."


async def said(fault: FaultPlan) -> list[str]:
    """The pieces of a reply."""
    settings = llm.SyntheticSettings(
        reply="a b c d e", ttft_ms=0, tokens_per_s=1000, fault=fault, token_timeout_s=0.1
    )
    return [piece.text async for piece in llm.SyntheticEngine(settings).generate(ASK)]


def voice(fault: FaultPlan) -> tts.SyntheticEngine:
    """A voice that makes pieces of 100 ms."""
    settings = tts.SyntheticSettings(ttfa_ms=1, ms_per_char=20, piece_ms=100, fault=fault)
    return tts.SyntheticEngine(settings)


async def spoken(engine: TtsEngine) -> list[int]:
    """How long the pieces of a text are."""
    return [len(piece) async for piece in engine.synthesise(TEXT, "", 1.0)]


def test_nothing_is_due_without_a_fault_before_its_place_and_in_other_texts() -> None:
    """A fault strikes at one point of one text."""
    plan = FaultPlan(fault=Fault.SILENCE, after=3, text="poison")

    assert plan.due(2, "poison") is Fault.NONE
    assert plan.due(3, "water") is Fault.NONE
    assert plan.due(3, "much poison") is Fault.SILENCE
    assert NO_FAULT.due(0, "") is Fault.NONE


@pytest.mark.parametrize("fault", [Fault.FAIL, Fault.HANG])
async def test_a_model_that_fails_or_hangs_ends_in_an_error_behind_its_words(fault: Fault) -> None:
    """A hung one after its deadline."""
    plan = FaultPlan(fault=fault, after=2)

    kind = EngineTimeout if fault is Fault.HANG else EngineError
    with pytest.raises(kind):
        await said(plan)
    assert await said(FaultPlan(fault=fault, text="nothing like it")) == [
        *("a", " b", " c", " d", " e"),
        "",
    ]


async def test_a_model_falls_silent_or_talks_garbage() -> None:
    """In good order: only what it says is wrong."""
    assert await said(FaultPlan(fault=Fault.SILENCE, after=2)) == ["a", " b", ""]
    garbage = await said(FaultPlan(fault=Fault.GARBAGE, after=4, text="poison"))
    assert garbage[:4] == ["a", " b", " c", " d"]
    assert "\ufffd" in garbage[4]


async def test_a_voice_goes_wrong_behind_so_many_pieces() -> None:
    """Silence and noise come where speech was to come; the pieces before them are right."""
    whole = await spoken(voice(NO_FAULT))
    silent = await spoken(voice(FaultPlan(fault=Fault.SILENCE, after=2)))
    noisy = voice(FaultPlan(fault=Fault.GARBAGE, after=2))
    loud = [int(np.abs(piece).max()) async for piece in noisy.synthesise(TEXT, "", 1.0)]

    assert len(whole) == 6
    assert silent == whole[:2]
    assert max(loud[:2]) < 2_000 < min(loud[2:])
    with pytest.raises(EngineError):
        await spoken(voice(FaultPlan(fault=Fault.FAIL, text="words")))


async def test_a_voice_that_hangs_is_an_error_after_its_deadline() -> None:
    """Behind the pieces that came in time; one that is in time is what it was."""
    hung = Punctual(voice(FaultPlan(fault=Fault.HANG, after=3)), 0.2)
    well = Punctual(voice(NO_FAULT), 5.0)
    pieces = hung.synthesise(TEXT, "", 1.0)

    assert [len(await anext(pieces)) for _ in range(3)] == [2205, 2205, 2205]
    with pytest.raises(EngineTimeout, match="did not speak in time"):
        await anext(pieces)
    assert await spoken(well) == await spoken(voice(NO_FAULT))
    assert (well.name, well.voices, well.synthetic) == ("synthetic", ("synthetic",), True)


def test_an_ear_goes_wrong_behind_so_many_recognitions() -> None:
    """Silence hears nothing, garbage no words, a slow one takes its time, a failing one says so."""

    def heard(fault: FaultPlan) -> list[str]:
        engine = SttEngine(1, fault)
        return [engine.recognise(TONE, Hint("en")).text for _ in range(2)]

    right = "synthetic utterance of 1.0 seconds"
    assert heard(NO_FAULT) == [right, right]
    assert heard(FaultPlan(fault=Fault.SILENCE, after=1)) == [right, ""]
    assert "\ufffd" in heard(FaultPlan(fault=Fault.GARBAGE, after=1, text="1.0"))[1]
    with pytest.raises(EngineError):
        heard(FaultPlan(fault=Fault.FAIL, after=1))
    slow, begun_s = SttEngine(30, FaultPlan(fault=Fault.SLOW)), time.perf_counter()
    slow.recognise(TONE, Hint("en"))
    assert time.perf_counter() - begun_s > 0.25


async def test_slow_engines_take_longer() -> None:
    """What they make is what it was."""
    slow = FaultPlan(fault=Fault.SLOW, after=1)
    begun_s = time.perf_counter()
    pieces = await said(slow)
    sizes = await spoken(voice(slow))
    took_s = time.perf_counter() - begun_s

    assert pieces == await said(NO_FAULT)
    assert sizes == await spoken(voice(NO_FAULT))
    assert took_s > 1.0


def test_a_crash_is_a_crash() -> None:
    """The process is gone as by SIGKILL: nothing is closed, and nothing more is said."""
    program = (
        "from services.faults import Fault, FaultPlan; import atexit;"
        "atexit.register(print, 'closed');"
        "FaultPlan(fault=Fault.CRASH, after=1).due(0, ''); print('begun', flush=True);"
        "FaultPlan(fault=Fault.CRASH, after=1).due(1, ''); print('survived')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == "begun\n"


async def test_a_hung_voice_can_be_stopped() -> None:
    """Whoever loses interest does not wait for it."""
    hung = Punctual(voice(FaultPlan(fault=Fault.HANG)), 60.0)
    waiting = asyncio.ensure_future(spoken(hung))
    await asyncio.sleep(0.05)
    waiting.cancel()
    _, late = await asyncio.wait((waiting,), timeout=2)

    assert not late
