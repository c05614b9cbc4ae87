"""What every LLM engine keeps to, the synthetic and the real ones.

How a server fails is in test_openai.py.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial

import msgspec
import pytest

from schemas.llm import GenerateRequest, GenerationDone, Message, TokenDelta
from services.llm.engine import Engine
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.settings import REPLY
from services.llm.worker import answer
from tests.draining import drained
from tests.engines.vllm_server import vllm_server
from tests.models import model_path
from tests.timing import expect_within
from voicebus.errors import EngineError, RequestRefused

VLLM = (pytest.mark.engines, pytest.mark.timeout(600))

ASK = GenerateRequest(
    messages=(
        Message(role="system", content="Answer in one short sentence."),
        Message(role="user", content="What is the capital of France?"),
    )
)


@contextmanager
def llama_server(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The embedded server as a process of its own, and its address."""
    (model,) = model_path("smollm2-135m-instruct-q4_1").glob("*.gguf")
    module = [sys.executable, "-m", "services.llm.llama_server"]
    with subprocess.Popen(
        [*module, "--model", str(model), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            words = process.stdout.readline().split()
            assert words[:1] == ["listening"]
            yield process, words[1]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def llama_url() -> Iterator[str]:
    """Base URL of one embedded server for all tests here."""
    with llama_server() as (_, address):
        yield f"{address}/v1"


@pytest.fixture(scope="module")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of one vLLM for all tests here."""
    with vllm_server(tmp_path_factory.mktemp("vllm")) as address:
        yield f"{address}/v1"


@pytest.fixture(
    params=[
        "synthetic",
        pytest.param("llama_url", marks=pytest.mark.model, id="llama.cpp"),
        pytest.param("vllm_url", marks=VLLM, id="vllm"),
    ]
)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """Every engine that ships, warm."""
    built: Engine = (
        SyntheticEngine(SyntheticSettings(ttft_ms=10, tokens_per_s=500))
        if request.param == "synthetic"
        else OpenAIEngine(OpenAISettings(base_url=request.getfixturevalue(request.param)))
    )
    await built.warm()
    yield built
    await built.close()


async def test_a_reply_is_text_and_then_the_reason_for_its_end(engine: Engine) -> None:
    """All pieces but the last have text and no reason; the last has the reason and the count."""
    pieces = [piece async for piece in engine.generate(ASK)]

    *spoken, last = pieces
    assert spoken
    assert all(piece.text and not piece.finish_reason for piece in spoken)
    assert (last.text, last.finish_reason) == ("", "stop")
    assert last.tokens >= len(spoken)


async def test_a_worker_that_goes_writes_its_reply_to_the_end(
    engine: Engine, nats_server: str
) -> None:
    """All of it, and then it is gone."""
    whole = "".join([piece.text async for piece in engine.generate(ASK)])
    work = partial(answer, providers=alone(engine))

    *deltas, done = await drained(
        nats_server, "llm", work, msgspec.structs.replace(ASK, turn=1), (TokenDelta, GenerationDone)
    )

    told = "".join(delta.text for delta in deltas if isinstance(delta, TokenDelta))
    assert told.strip() == whole.strip()
    assert isinstance(done, GenerationDone)
    assert done.finish_reason == "stop"


async def test_the_same_request_has_the_same_reply(engine: Engine) -> None:
    """At temperature 0 a reply can be expected by a test."""
    replies = {"".join([p.text async for p in engine.generate(ASK)]) for _ in range(2)}

    assert len(replies) == 1


async def test_a_reply_ends_at_the_bound_of_tokens(engine: Engine) -> None:
    """A bound of three tokens gives three, and says that it was the bound."""
    request = GenerateRequest(messages=ASK.messages, max_tokens=3)

    *_, last = [piece async for piece in engine.generate(request)]

    assert (last.finish_reason, last.tokens) == ("length", 3)


async def test_a_reply_can_be_closed_at_any_piece(engine: Engine) -> None:
    """``aclose`` returns within 50 ms and the next reply is whole."""

    async def close() -> float:
        async with aclosing(engine.generate(ASK)) as pieces:
            await anext(pieces)
            begun_s = time.perf_counter()
        return time.perf_counter() - begun_s

    await expect_within(0.05, close)
    *_, last = [piece async for piece in engine.generate(ASK)]
    assert last.finish_reason == "stop"


async def test_a_reply_can_be_cancelled_before_its_first_token(engine: Engine) -> None:
    """Whoever waits for it is free within 50 ms, and the next reply is whole."""
    long = "Tell me of the sea, of ships and of harbours. " * 10
    asked = GenerateRequest(messages=(Message(role="user", content=long),))

    async def cancel() -> float:
        task = asyncio.ensure_future(anext(engine.generate(asked)))
        await asyncio.sleep(0.004)
        assert not task.done()
        begun_s = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - begun_s

    await expect_within(0.05, cancel)
    *_, last = [piece async for piece in engine.generate(ASK)]
    assert last.finish_reason == "stop"


async def test_more_than_a_model_can_read_is_refused_and_nothing_else_is(engine: Engine) -> None:
    """In words that show nothing of the server; the stand-in reads everything."""
    book = GenerateRequest(messages=(Message(role="user", content="and so on " * 20_000),))

    if engine.synthetic:
        assert [piece async for piece in engine.generate(book)]
    else:
        with pytest.raises(RequestRefused) as refused:
            _ = [piece async for piece in engine.generate(book)]
        assert "127.0.0.1" not in str(refused.value)
        assert not refused.value.retryable
    *_, last = [piece async for piece in engine.generate(ASK)]
    assert last.finish_reason == "stop"


async def test_the_end_of_an_engine_ends_its_replies(engine: Engine) -> None:
    """One that is being written neither hangs nor looks whole when it is not."""
    reply = engine.generate(ASK)
    assert (await anext(reply)).text

    await engine.close()

    async with asyncio.timeout(20), aclosing(reply):
        with suppress(EngineError):
            *_, last = [piece async for piece in reply]
            assert last.finish_reason
    await engine.close()


async def test_many_replies_at_once_are_all_whole(engine: Engine) -> None:
    """More requests than the model has slots wait and are all answered."""

    async def ask() -> str:
        return "".join([piece.text async for piece in engine.generate(ASK)])

    replies = await asyncio.gather(*(ask() for _ in range(5)))

    assert all(replies)


def test_a_synthetic_engine_says_that_it_is_one() -> None:
    """Nobody takes its words for a model's."""
    engine: Engine = SyntheticEngine(SyntheticSettings())

    assert engine.synthetic
    assert engine.name == engine.model == "synthetic"


async def test_the_synthetic_engine_repeats_what_it_was_asked() -> None:
    """Where it is told to, in the words of whoever asks."""
    engine = SyntheticEngine(SyntheticSettings(ttft_ms=0, reply="You said: {asked}"))

    said = "".join([piece.text async for piece in engine.generate(ASK)])

    assert said == f"You said: {ASK.messages[-1].content}"


async def test_the_synthetic_engine_keeps_to_its_times() -> None:
    """The first token comes after the time to the first token, the others at the pace."""
    engine = SyntheticEngine(SyntheticSettings(ttft_ms=60, tokens_per_s=100))
    begun_s = time.perf_counter()
    times_s = []
    text = ""
    async for piece in engine.generate(ASK):
        times_s.append(time.perf_counter() - begun_s)
        text += piece.text

    assert text == REPLY
    due_s = 0.06 + (len(REPLY.split()) - 1) / 100
    assert 0.055 < times_s[0] < 0.5
    assert due_s - 0.01 < times_s[-1] < due_s + 0.5


@pytest.mark.model
async def test_the_embedded_model_knows_the_capital_of_france(llama_url: str) -> None:
    """The default model gives a sensible answer to an easy question."""
    engine = OpenAIEngine(OpenAISettings(base_url=llama_url))

    reply = "".join([piece.text async for piece in engine.generate(ASK)])
    await engine.close()

    assert "Paris" in reply
