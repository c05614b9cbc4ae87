"""POST /v1/audio/transcriptions and /v1/audio/translations: a file in, what was said in it out.

A file of hours is recognised in passages, by as many workers as there are; see
:mod:`edge.passages`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import structlog
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, PlainTextResponse, Response

from edge.errand import Patience
from edge.openai.endpoint import Call
from edge.openai.recordings import TranscriptionRequest, asked_of
from edge.openai.stream import Pieces, begun_events, event
from edge.openai.transcripts import (
    Transcript,
    as_json,
    as_srt,
    as_text,
    as_verbose_json,
    as_vtt,
)
from edge.passages import Passages
from edge.recording import Recording
from schemas.stt import PassageRecognised, RecogniseRequest
from voicebus.audio.sniff import MAX_SNIFF_BYTES, sniff_file
from voicebus.audio.stream import StreamDecoder

log: Final = structlog.get_logger()

Results = AsyncGenerator[PassageRecognised, None]


async def transcribe(call: Call) -> Response:
    """Answer with the words of a recording, in its own language."""
    asked, upload = await asked_of(call)
    return await _answer(call, asked, upload, asked.request(translate=False))


async def translate(call: Call) -> Response:
    """Answer with the words of a recording, in English."""
    asked, upload = await asked_of(call)
    return await _answer(call, asked, upload, asked.request(translate=True))


async def _answer(
    call: Call, asked: TranscriptionRequest, upload: UploadFile, request: RecogniseRequest
) -> Response:
    api = call.api
    await api.names.expect_any(asked.model, "stt")
    container = sniff_file(await upload.read(MAX_SNIFF_BYTES))
    await upload.seek(0)
    call.visit.expect_audio()
    call.opened.enter_context(api.recordings.place(api.settings.recordings))
    errand = await call.errand("stt")
    passages = Passages(request, api.settings.passages)
    patience = Patience(claim_s=api.settings.queue_s, stall_s=api.settings.recording_stall_s)
    recording = Recording(errand.session, call.visit, passages, patience)
    longest_s = api.settings.max_recording_s
    decoder = StreamDecoder(container, max_seconds=longest_s, stored=upload.file)
    await call.opened.enter_async_context(decoder)
    results = recording.results(_decoded(decoder))
    if asked.stream:
        return await begun_events(_told(results), api.settings.keepalive_s)
    async with aclosing(results) as found:
        said = [result async for result in found]
    transcript = Transcript(
        segments=tuple(segment for result in said for segment in result.segments),
        language=passages.language,
        duration_s=recording.seconds,
        translated=request.translate,
    )
    return _shaped(transcript, asked)


def _shaped(transcript: Transcript, asked: TranscriptionRequest) -> Response:
    match asked.response_format:
        case "text":
            return PlainTextResponse(as_text(transcript))
        case "srt":
            return PlainTextResponse(as_srt(transcript))
        case "vtt":
            return PlainTextResponse(as_vtt(transcript))
        case "verbose_json":
            granularities = asked.granularities
            return JSONResponse(as_verbose_json(transcript, granularities, asked.temperature))
        case "json":
            return JSONResponse(as_json(transcript))


async def _told(results: Results) -> Pieces:
    """Yield the events of a streamed answer: texts whose sum is the whole, then the whole."""
    whole = ""
    async with aclosing(results) as found:
        async for result in found:
            more = " ".join(segment.text for segment in result.segments)
            if not more:
                continue
            delta = f" {more}" if whole else more
            whole += delta
            yield event({"type": "transcript.text.delta", "delta": delta})
    yield event({"type": "transcript.text.done", "text": whole})


async def _decoded(decoder: StreamDecoder) -> AsyncGenerator[bytes, None]:
    """Yield a file's audio, as fast as it is taken."""
    await decoder.finish()
    async for pcm in decoder:
        yield pcm
    if decoder.truncated:
        log.warning("recording.truncated", info=decoder.info)
