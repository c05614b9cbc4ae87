"""``python -m services.stt``: one STT worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from services.faults import FaultPlan
from services.stt.ears import Ears
from services.stt.engine import Engine
from services.stt.pace import Pace
from services.stt.scheduler import Scheduler, VadLane
from services.stt.settings import SCOPE, SttSettings
from services.stt.turn_lane import TurnLane
from services.stt.turn_model import TurnModel
from services.stt.vad import SileroVad
from services.stt.worker import work
from voicebus import settings
from voicebus.cores import spare_threads
from voicebus.models import ModelStore, default_folder
from voicebus.process import serve_role
from voicebus.worker import Role


def build_engine(chosen: SttSettings, store: ModelStore) -> Engine:
    """Return the engine that the settings name.

    Raises:
        ModelError: Its model is not in the store.
    """
    match chosen.engine:
        case "faster-whisper":
            from services.stt.engines.faster_whisper import FasterWhisperEngine  # noqa: PLC0415

            return FasterWhisperEngine(
                store.path(chosen.model),
                device=chosen.device,
                compute_type=chosen.compute_type,
                cpu_threads=chosen.threads or spare_threads(),
            )
        case "synthetic":
            from services.stt.engines.synthetic import SyntheticEngine  # noqa: PLC0415

            fault = FaultPlan(
                fault=chosen.synthetic_fault,
                after=chosen.synthetic_fault_after,
                text=chosen.synthetic_fault_text,
            )
            return SyntheticEngine(chosen.synthetic_ms, fault, chosen.synthetic_rtf)


def build_ears(chosen: SttSettings, store: ModelStore) -> Ears:
    """Return what the sessions of a worker share, not yet started.

    Raises:
        ModelError: A model is not in the store.
        EngineUnavailable: A model cannot be loaded.
    """
    engine = build_engine(chosen, store)
    return Ears(
        scheduler=Scheduler(engine),
        lane=VadLane(SileroVad(store.path("silero-vad") / "silero_vad.onnx")),
        turns=_build_turns(chosen, store, engine),
        endpointing=chosen.endpointing(),
        pace=Pace(chosen.partial_ms),
        engine=engine.name,
        model=engine.model,
        synthetic=engine.synthetic,
    )


def _build_turns(chosen: SttSettings, store: ModelStore, engine: Engine) -> TurnLane | None:
    # Made-up texts say nothing about turns, and a test without models is to stay one.
    if engine.synthetic or not chosen.turn_model:
        return None
    folder = store.path(chosen.turn_model)
    return TurnLane(TurnModel(next(folder.glob("*.onnx"))))


async def main(stop: asyncio.Event) -> None:
    """Load the models, take sessions until ``stop``."""
    chosen = settings.read(SttSettings, os.environ, SCOPE)
    ears = build_ears(chosen, ModelStore(default_folder(os.environ)))
    role = Role(
        name="stt",
        slots=chosen.slots,
        engine=f"{ears.engine} {ears.model}",
        models=lambda: (ears.model,),
        final_ms=lambda: (ears.pace.p50_ms, ears.pace.p99_ms),
        stuck=ears.stuck,
    )
    try:
        await serve_role(role, partial(work, ears=ears), ears.start, stop)
    finally:
        await ears.close()


if __name__ == "__main__":
    from voicebus.process import run

    sys.exit(run("stt", main))
