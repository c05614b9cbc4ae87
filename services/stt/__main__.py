"""``python -m services.stt``: one STT worker."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.faults import FaultPlan
from services.stt.ears import Ears
from services.stt.engine import Engine
from services.stt.pace import Pace
from services.stt.scheduler import Scheduler, VadLane
from services.stt.settings import SCOPE, SttSettings
from services.stt.streaming import StreamLane
from services.stt.turn_lane import TurnLane
from services.stt.turn_model import TurnModel
from services.stt.vad import SileroVad
from services.stt.worker import work
from voicebus import settings
from voicebus.cores import spare_threads
from voicebus.errors import ConfigError
from voicebus.models import ModelStore, default_folder
from voicebus.process import serve_role
from voicebus.worker import Role

if TYPE_CHECKING:
    from services.stt.engines.vosk import VoskEngine


def build_engine(chosen: SttSettings, store: ModelStore) -> Engine:
    """Return the engine that the settings name.

    Raises:
        ModelError: Its model is not in the store.
    """
    match chosen.engine:
        case "faster-whisper":
            from services.stt.engines.faster_whisper import FasterWhisperEngine  # noqa: PLC0415

            return FasterWhisperEngine(
                _folder(chosen.model, store),
                device=chosen.device,
                compute_type=chosen.compute_type,
                cpu_threads=chosen.threads or spare_threads(),
            )
        case "vosk":
            return _vosk(chosen.model, chosen, store)
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
    settles = chosen.engine == "vosk"
    quick = StreamLane(cast("VoskEngine", engine)) if settles else build_quick(chosen, store)
    return Ears(
        scheduler=Scheduler(engine),
        lane=VadLane(SileroVad(store.path("silero-vad") / "silero_vad.onnx")),
        turns=_build_turns(chosen, store, engine),
        endpointing=chosen.endpointing(),
        pace=Pace(chosen.partial_ms),
        engine=engine.name,
        model=engine.model,
        synthetic=engine.synthetic,
        quick=quick,
        quick_settles=settles,
    )


def build_quick(chosen: SttSettings, store: ModelStore) -> StreamLane | None:
    """Return what makes partials beside the engine, if anything does.

    Raises:
        ConfigError: Vosk is not installed, or its model's language is not known.
        ModelError: Its model is not in the store.
    """
    if not chosen.quick_model:
        return None
    return StreamLane(_vosk(chosen.quick_model, chosen, store))


def _vosk(model: str, chosen: SttSettings, store: ModelStore) -> VoskEngine:
    try:
        from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise ConfigError("Vosk is not installed: pip install 'voicebus[stt-vosk]'") from err
    threads = chosen.threads or spare_threads()
    return VoskEngine(_folder(model, store), chosen.vosk_language, threads)


def _folder(model: str, store: ModelStore) -> Path:
    """Return the folder of a model: of the store, or wherever it was said to be."""
    return Path(model).expanduser() if "/" in model else store.path(model)


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
        answers_ms=ears.pace.finals.quantiles,
        stuck=ears.stuck,
    )
    try:
        await serve_role(role, partial(work, ears=ears), ears.start, stop)
    finally:
        await ears.close()


if __name__ == "__main__":
    from voicebus.process import run

    sys.exit(run("stt", main))
