"""A Pipecat pipeline behind one WebSocket; runs in the peer's own environment, not in ours.

Pipecat's own transport, services, turn detection and context; a pipeline for each caller. Ours are
the serializer (raw samples, and what happened as JSON in the shape of our protocol) and two
processors that tell what passes by. Models are loaded once, not once per caller.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from loguru import logger
from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TTSStoppedFrame,
    UserStartedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper import tts as piper_tts
from pipecat.services.whisper import stt as whisper_stt
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

IN_HZ, OUT_HZ = 16_000, 24_000
MARK = "bench"
"""Messages that carry it go out; all others stay inside."""


class Session:
    """Which turn of a caller it is."""

    def __init__(self) -> None:
        self.turn = 0

    def message(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return a message of the current turn."""
        return {"label": MARK, "type": kind, "turn": self.turn, **fields}


class Raw(FrameSerializer):  # type: ignore[misc]
    """Samples as they are; our messages as JSON; an interruption tells the player to flush."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Return what is sent for a frame."""
        if isinstance(frame, OutputAudioRawFrame):
            return bytes(frame.audio)
        if isinstance(frame, InterruptionFrame):
            return json.dumps(self._session.message("flush")) if self._session.turn else None
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            message = frame.message
            ours = isinstance(message, dict) and message.get("label") == MARK
            return json.dumps(message) if ours else None
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Return the frame of what was received."""
        if isinstance(data, str):
            return None
        return InputAudioRawFrame(audio=data, sample_rate=IN_HZ, num_channels=1)


class TellsTurns(FrameProcessor):  # type: ignore[misc]
    """Tells the caller which words are answered, and that it was heard to speak."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let a frame pass, and tell of it."""
        await super().process_frame(frame, direction)
        if isinstance(frame, UserStartedSpeakingFrame):
            noticed = {"label": MARK, "type": "speech_started", "start_ms": 0}
            await self.push_frame(OutputTransportMessageUrgentFrame(noticed))
        if isinstance(frame, LLMContextFrame):
            self._session.turn += 1
            said = [m for m in frame.context.get_messages() if m.get("role") == "user"]
            text = str(said[-1]["content"]) if said else ""
            for message in (
                self._session.message("turn_started", text=text),
                self._session.message("audio_start", sample_rate=OUT_HZ),
            ):
                await self.push_frame(OutputTransportMessageUrgentFrame(message))
        await self.push_frame(frame, direction)


class TellsReplies(FrameProcessor):  # type: ignore[misc]
    """Tells the caller the whole reply, and where its audio ends."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._text = ""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Let a frame pass, and tell of it."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self._text += frame.text
        if isinstance(frame, LLMFullResponseEndFrame):
            done = self._session.message("reply_done", text=self._text)
            self._text = ""
            await self.push_frame(OutputTransportMessageUrgentFrame(done))
        if isinstance(frame, TTSStoppedFrame):
            # Not urgent: it takes its place behind the audio.
            await self.push_frame(
                OutputTransportMessageFrame(self._session.message("audio_complete"))
            )


class Tuned:
    """A Whisper model that decodes as ours does: greedily, without times."""

    def __init__(self, model: Any, beam_size: int) -> None:
        self._model = model
        self._beam_size = beam_size

    def transcribe(self, audio: Any, **options: Any) -> Any:
        """Transcribe with these options on top."""
        return self._model.transcribe(
            audio,
            beam_size=self._beam_size,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
            **options,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def load(args: argparse.Namespace) -> None:
    """Load the models into memory once, for all callers."""

    @functools.cache
    def whisper(*wanted: Any, **options: Any) -> Any:
        model = whisper_model(*wanted, **options)
        return Tuned(model, args.beam_size) if args.beam_size else model

    whisper_model = whisper_stt.WhisperModel
    whisper_stt.WhisperModel = whisper
    piper_tts.PiperVoice.load = functools.cache(piper_tts.PiperVoice.load)
    speech_to_text(args)
    text_to_speech(args)


def speech_to_text(args: argparse.Namespace) -> Any:
    """Return Pipecat's Whisper service on local files."""
    service = whisper_stt.WhisperSTTService
    return service(device="cpu", compute_type="int8", settings=service.Settings(model=args.whisper))


def text_to_speech(args: argparse.Namespace) -> Any:
    """Return Pipecat's Piper service on local files."""
    service = piper_tts.PiperTTSService
    return service(download_dir=args.voice.parent, settings=service.Settings(voice=args.voice.stem))


def language_model(args: argparse.Namespace) -> Any:
    """Return Pipecat's service for OpenAI-compatible servers."""
    return OpenAILLMService(
        api_key="none",
        base_url=args.llm_url,
        settings=OpenAILLMService.Settings(
            model=args.llm_model,
            system_instruction=args.instructions,
            temperature=0.0,
            max_tokens=args.max_tokens,
            extra={"extra_body": {"cache_prompt": True}},
        ),
    )


def turn_detection(args: argparse.Namespace) -> Any:
    """Return Silero's VAD and the smart-turn model, as they are or as told."""
    vad = {"stop_secs": args.vad_stop_s, "start_secs": args.vad_start_s}
    chosen = {name: value for name, value in vad.items() if value is not None}
    strategies = None
    if args.turn_stop_s is not None:
        analyzer = LocalSmartTurnAnalyzerV3(
            params=SmartTurnParams(stop_secs=args.turn_stop_s), cpu_count=2
        )
        strategies = UserTurnStrategies(
            stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=analyzer)]
        )
    return LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(params=VADParams(**chosen)), user_turn_strategies=strategies
    )


async def talk(socket: WebSocket, args: argparse.Namespace) -> None:
    """Serve one caller until it leaves."""
    await socket.accept()
    session = Session()
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=Raw(session)
        ),
    )
    context = LLMContextAggregatorPair(LLMContext(), user_params=turn_detection(args))
    steps = [
        *(transport.input(), speech_to_text(args), context.user(), TellsTurns(session)),
        *(language_model(args), text_to_speech(args), TellsReplies(session)),
        *(transport.output(), context.assistant()),
    ]
    worker = PipelineWorker(
        Pipeline(steps),
        params=PipelineParams(audio_in_sample_rate=IN_HZ, audio_out_sample_rate=OUT_HZ),
        idle_timeout_secs=None,
    )

    async def on_started(_worker: Any, _frame: Any) -> None:
        await worker.queue_frame(
            OutputTransportMessageUrgentFrame({"label": MARK, "type": "ready"})
        )

    async def on_left(_transport: Any, _socket: Any) -> None:
        await worker.cancel()

    worker.add_event_handler("on_pipeline_started", on_started)
    transport.add_event_handler("on_client_disconnected", on_left)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """Serve callers until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--whisper", required=True, help="folder of the CTranslate2 model")
    parser.add_argument("--voice", type=Path, required=True, help="the voice's .onnx file")
    parser.add_argument("--llm-url", required=True)
    parser.add_argument("--llm-model", default="default")
    parser.add_argument("--instructions", required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    for name in ("--vad-start-s", "--vad-stop-s", "--turn-stop-s"):
        parser.add_argument(name, type=float)
    parser.add_argument("--beam-size", type=int)
    parser.add_argument("--log-level", default="WARNING")
    args = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level=args.log_level)
    load(args)

    async def serve(socket: WebSocket) -> None:
        await talk(socket, args)

    async def ready(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ready")

    app = Starlette(routes=[WebSocketRoute("/ws", serve), Route("/readyz", ready)])
    config = uvicorn.Config(app, host="127.0.0.1", port=args.port, log_level="warning")
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
