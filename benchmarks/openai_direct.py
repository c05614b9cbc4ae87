"""The engines without anything around them: the workers' own, with the same settings, in here.

Of what a worker does, only what an engine cannot do without is done: a text is cut into clauses and
written out, as the voice speaks clause by clause; a recording is there as samples, of which
somebody speaks from the first to the last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager

import numpy as np

from benchmarks.openai_edge import REPLY_TOKENS, FirstSound, Samples, answered, client
from schemas.llm import GenerateRequest, Message
from services.llm import settings as llm_settings
from services.llm.building import build
from services.llm.engine import Engine as Writer
from services.stt import __main__ as stt
from services.stt import settings as stt_settings
from services.stt.engine import Engine as Recogniser
from services.stt.engine import Hint
from services.tts import __main__ as tts
from services.tts import settings as tts_settings
from services.tts.engine import Engine as Speaker
from services.tts.library import Library
from services.tts.text import speakable
from voicebus import settings
from voicebus.errors import EngineError
from voicebus.models import ModelStore, default_folder
from voicebus.sentences import Splitter, SplitterSettings

LANGUAGE = "en"
"""Of all that is said and spoken."""


class Direct:
    """The engines. Made by :func:`engines`.

    Attributes:
        writer: The language model, for what is done before each request.
    """

    def __init__(self, speaker: Speaker, recogniser: Recogniser, writer: Writer, url: str) -> None:
        self.writer = writer
        self._speaker = speaker
        self._recogniser = recogniser
        self._url = url

    async def spoken(self, text: str) -> float:
        """Speak a text to its end; return the time to its first audible sample in ms."""
        first = FirstSound(self._speaker.sample_rate_hz)
        begun_s = time.perf_counter()
        splitter = Splitter(SplitterSettings())
        for clause in (*splitter.push(text), *splitter.finish()):
            said = speakable(clause, LANGUAGE)
            async with aclosing(self._speaker.synthesise(said, "", 1.0)) as pieces:
                async for piece in pieces:
                    first.push(piece)
        return first.after_ms(begun_s)

    async def transcribed(self, samples: Samples) -> str:
        """Return what is said in a recording of one utterance."""
        heard = samples.astype(np.float32) / np.float32(32768)
        found = await asyncio.to_thread(self._recogniser.recognise, heard, Hint(language=LANGUAGE))
        return found.text

    async def transcribed_long(self, samples: Samples) -> str:
        """Return what is said in a recording of any length, in one pass."""
        heard = samples.astype(np.float32) / np.float32(32768)
        hint = Hint(language=LANGUAGE)
        return (await asyncio.to_thread(self._recogniser.transcribe_long, heard, hint)).text

    async def answered(self, prompt: str) -> tuple[float, str]:
        """Ask the language model; return the time to the first token in ms, and the answer."""
        if not self.writer.synthetic:
            async with client(self._url) as sdk:
                return await answered(sdk, self.writer.model, prompt, {"cache_prompt": True})
        request = GenerateRequest(
            messages=(Message(role="user", content=prompt),), max_tokens=REPLY_TOKENS, turn=1
        )
        begun_s, first_s, text = time.perf_counter(), 0.0, ""
        async with aclosing(self.writer.generate(request)) as pieces:
            async for piece in pieces:
                if piece.text:
                    first_s = first_s or time.perf_counter()
                    text += piece.text
        if not first_s:
            raise EngineError("the language model said nothing")
        return (first_s - begun_s) * 1000, text


@asynccontextmanager
async def engines(environ: Mapping[str, str]) -> AsyncIterator[Direct]:
    """Load what workers with these settings would load, and warm it.

    Raises:
        EngineError: An engine cannot start.
    """
    listening = settings.read(stt_settings.SttSettings, environ, stt_settings.SCOPE)
    writing = settings.read(llm_settings.LlmSettings, environ, llm_settings.SCOPE)
    speaking = settings.read(tts_settings.TtsSettings, environ, tts_settings.SCOPE)
    store = ModelStore(default_folder(environ))
    recogniser = stt.build_engine(listening, store)
    writer = build(writing).first.engine
    speaker = tts.build_engine(speaking, store, Library())
    try:
        await asyncio.gather(asyncio.to_thread(recogniser.warm), writer.warm(), tts.warm(speaker))
        yield Direct(speaker, recogniser, writer, writing.url)
    finally:
        await writer.close()
        await speaker.close()
