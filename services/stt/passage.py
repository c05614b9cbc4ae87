"""One passage of a recording: its audio out of the log, what was said in it back onto the bus.

Consumes   job.stt     RecogniseRequest
           AUDIO       the passage's AudioChunks, as they are stored
           up.control  SessionClosed
Publishes  dn.final    PassageCut as soon as voice detection has found it, PassageRecognised
           dn.partial  TranscriptPartial, one for each utterance, as it is understood
           dn.failure  Failure, when an utterance could not be recognised
"""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.codec import decode
from schemas.stt import (
    PassageCut,
    PassageRecognised,
    RecogniseRequest,
    Segment,
    TranscriptPartial,
    Word,
)
from services.stt.cutting import Cutter
from services.stt.ears import Ears
from services.stt.endpointing import WINDOW_SAMPLES
from services.stt.engine import Hint
from services.stt.marks import UtteranceEnded
from services.stt.samples import SampleBuffer
from services.stt.scheduler import Priority, Timed
from services.stt.vad import VadState
from voicebus import metrics
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.recording import stored_audio
from voicebus.turns import unless_closed

_TAIL_SAMPLES: Final = CALLER_RATE_HZ // 5
"""Silence after the last word that is recognised with it: words fade."""


_STRETCH_SAMPLES: Final = 2 * CALLER_RATE_HZ
"""So much is waited for: voice detection is quicker with long stretches. It gets a chunk more at
the most, for live callers wait meanwhile."""


class _Utterance(NamedTuple):
    """What was recognised, and what of it was said: None when nothing was."""

    timed: Timed
    segment: Segment | None


async def recognise(claim: Claim, ears: Ears) -> None:
    """Recognise one passage, or do what is left of it where another worker was lost.

    Raises:
        ProtocolError: The job is another one.
        BusError: The passage's audio is not stored.
        EngineError: An utterance could not be recognised.
    """
    request = claim.request
    if not isinstance(request, RecogniseRequest):
        raise ProtocolError(f"not a request to recognise a passage: {type(request).__name__}")
    if claim.is_takeover:
        known = await _left(claim, request)
        claim.took_over("done" if known is None else "anew")
        if known is None:
            return
        request = known
    await unless_closed(claim, partial(_recognised, claim, ears, request))


async def _left(claim: Claim, request: RecogniseRequest) -> RecogniseRequest | None:
    """Return what is left to do: nothing, or the passage with the end that others know by now."""
    async for message in claim.past(PassageRecognised):
        event = decode(message.payload)
        if (event.turn, event.revision) != (request.turn, request.revision):
            continue
        if isinstance(event, PassageRecognised):
            return None
        if isinstance(event, PassageCut):
            request = msgspec.structs.replace(request, cut_from=event.end, end=event.end)
    return request


async def _recognised(claim: Claim, ears: Ears, request: RecogniseRequest) -> None:
    samples = SampleBuffer(request.start)
    utterances, end = await _cut(claim, ears, request, samples)
    place = {"turn": request.turn, "revision": request.revision}
    await claim.publish(PassageCut(end=end, **place))
    found = await _understood(claim, ears, request, samples, utterances)
    metrics.STT_AUDIO_SECONDS.labels(ears.engine).inc((end - request.start) / CALLER_RATE_HZ)
    await claim.publish(
        PassageRecognised(
            start=request.start,
            end=end,
            segments=tuple(one.segment for one in found if one.segment is not None),
            language=_language(request, found),
            compute_ms=sum(one.timed.compute_ms for one in found),
            synthetic=ears.synthetic,
            **place,
        )
    )


async def _cut(
    claim: Claim, ears: Ears, request: RecogniseRequest, samples: SampleBuffer
) -> tuple[list[UtteranceEnded], int]:
    """Read the audio; return the utterances in it, and where the passage ends."""
    cutter = Cutter(ears.endpointing, request.start, request.cut_from)
    utterances: list[UtteranceEnded] = []
    vad, position = VadState(), request.start

    async def detect(windows: NDArray[np.float32]) -> None:
        nonlocal position
        for probability in await ears.lane.submit(windows, vad):
            position = min(position + WINDOW_SAMPLES, request.end)
            utterances.extend(cutter.push(float(probability), position))

    stored = stored_audio(claim.bus, claim.place, request.start, request.end, request.stored)
    async with aclosing(stored) as audio:
        async for pcm in audio:
            samples.push(pcm)
            if samples.waiting >= _STRETCH_SAMPLES:
                await detect(samples.take_windows(WINDOW_SAMPLES))
            if cutter.cut is not None:
                break
    if cutter.cut is None and len(windows := _last_windows(samples)):
        await detect(windows)
    utterances += cutter.finish(request.end)
    return utterances, min(cutter.cut or request.end, request.end)


def _last_windows(samples: SampleBuffer) -> NDArray[np.float32]:
    """Return what is left, its last window filled up: in one stretch, for each is a wait."""
    windows, rest = samples.take_windows(WINDOW_SAMPLES), samples.take_rest(WINDOW_SAMPLES)
    return windows if rest is None else np.concatenate((windows, rest))


async def _understood(
    claim: Claim,
    ears: Ears,
    request: RecogniseRequest,
    samples: SampleBuffer,
    utterances: list[UtteranceEnded],
) -> list[_Utterance]:
    hint = Hint(
        language=request.language,
        languages=request.languages,
        vocabulary=request.vocabulary,
        word_times=request.word_times,
        translate=request.translate,
    )
    owner, found = object(), list[_Utterance]()
    for number, ended in enumerate(utterances, 1):
        last = min(ended.end_sample + _TAIL_SAMPLES, ended.decided_sample)
        heard = samples.between(ended.start_sample, last)
        timed = await ears.scheduler.recognise(heard, hint, Priority.FILE, owner)
        metrics.STT_COMPUTE_SECONDS.labels(ears.engine, "file").observe(timed.compute_ms / 1000)
        metrics.STT_QUEUE_SECONDS.labels("file").observe(timed.queue_ms / 1000)
        rtf = timed.compute_ms / 1000 * CALLER_RATE_HZ / max(1, len(heard))
        metrics.STT_RTF.labels(ears.engine, "file").observe(rtf)
        segment = _segment(ears, ended, timed)
        found.append(_Utterance(timed, segment))
        if segment is not None:
            # A sign of life: live callers go first, so a passage may take its time.
            await claim.publish(_progress(request, number, segment))
    return found


def _progress(request: RecogniseRequest, number: int, segment: Segment) -> TranscriptPartial:
    return TranscriptPartial(
        utterance=number,
        text=segment.text,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        stable=len(segment.text),
        turn=request.turn,
        revision=request.revision,
        seq=number - 1,
    )


def _segment(ears: Ears, ended: UtteranceEnded, timed: Timed) -> Segment | None:
    recognition = timed.recognition
    text = ears.words_in(recognition, ended.speech_ms)
    if not text:
        return None
    begin_ms = _ms(ended.start_sample)
    return Segment(
        text=text,
        start_ms=_ms(ended.speech_sample),
        end_ms=_ms(ended.end_sample),
        confidence=recognition.confidence,
        no_speech=recognition.no_speech,
        words=tuple(
            Word(word.text, word.start_ms + begin_ms, word.end_ms + begin_ms)
            for word in recognition.words
        ),
    )


def _language(request: RecogniseRequest, found: list[_Utterance]) -> str:
    """Return the language of most of what was said: a word or two are often taken for another."""
    spoken: dict[str, int] = {}
    for one in found:
        if one.segment is not None:
            language = one.timed.recognition.language
            spoken[language] = spoken.get(language, 0) + len(one.segment.text)
    if request.language or not spoken:
        return request.language
    return max(spoken, key=lambda language: spoken[language])


def _ms(samples: int) -> int:
    return samples * 1000 // CALLER_RATE_HZ
