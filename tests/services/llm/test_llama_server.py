from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from schemas.llm import GenerateRequest, Message
from services.llm.engines.openai import OpenAIEngine, OpenAISettings
from tests.models import model_path
from tests.services.llm.test_engines import llama_server
from tests.timing import shortest_s

STORY = GenerateRequest(
    messages=(Message(role="user", content="Tell me a very long story about the sea."),),
    max_tokens=500,
)


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.model
def test_the_server_is_ready_when_it_says_its_address() -> None:
    """The line on stdout names a port on which health and metrics answer."""
    with llama_server() as (_, address):
        health = httpx2.get(f"{address}/health")
        metrics = httpx2.get(f"{address}/metrics")
        slots = httpx2.get(f"{address}/slots")

    assert health.json() == {"status": "ok"}
    assert "llamacpp:prompt_tokens_total" in metrics.text
    assert slots.is_error  # others' prompts are nobody's business


@pytest.mark.model
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_server_ends_at_once_even_in_the_middle_of_a_reply(
    number: signal.Signals,
) -> None:
    """A signal ends the process with code 0 within half a second, whatever it is doing."""
    with llama_server() as (process, address):
        engine = OpenAIEngine(OpenAISettings(base_url=f"{address}/v1"))
        reply = engine.generate(STORY)
        await anext(reply)
        begun_s = time.perf_counter()
        process.send_signal(number)
        code = await asyncio.to_thread(process.wait, 5)
        ended_s = time.perf_counter() - begun_s
        await reply.aclose()
        await engine.close()

    assert code == 0
    assert ended_s < 0.5


@pytest.mark.model
async def test_an_abandoned_reply_stops_the_computation() -> None:
    """When nobody listens any more the model stops, and an idle server uses no CPU."""
    with llama_server() as (process, address):
        engine = OpenAIEngine(OpenAISettings(base_url=f"{address}/v1"))
        reply = engine.generate(STORY)
        await anext(reply)
        await reply.aclose()
        await engine.close()
        await asyncio.sleep(0.3)

        async def idle() -> float:
            begun_s = cpu_s(process.pid)
            await asyncio.sleep(1)
            return cpu_s(process.pid) - begun_s

        used_s = await shortest_s(idle, 0.025)

    assert used_s < 0.025


@pytest.mark.model
async def test_a_known_head_of_the_prompt_is_not_computed_again() -> None:
    """The second turn of a conversation costs a fraction of the computation of the first one."""
    head = Message(role="system", content="You know all this. " + "The sea is wide. " * 60)
    with llama_server() as (process, address):
        engine = OpenAIEngine(OpenAISettings(base_url=f"{address}/v1", max_tokens=3))
        used_s = []
        for question in ("Who are you?", "Where are you?"):
            messages = (head, Message(role="user", content=question))
            begun_s = cpu_s(process.pid)
            reply = engine.generate(GenerateRequest(messages=messages))
            await anext(reply)
            used_s.append(cpu_s(process.pid) - begun_s)
            # To the end: an abandoned reply holds its slot until the server has noticed, and the
            # next one would be given another slot, which knows nothing yet.
            async for _ in reply:
                pass
        await engine.close()

    assert used_s[1] < used_s[0] / 2


@pytest.mark.model
@pytest.mark.parametrize("content", [None, b"", b"GGUF", b"this is no model" * 100])
def test_a_file_that_is_no_model_is_told_in_one_sentence(
    tmp_path: Path, content: bytes | None
) -> None:
    """A missing, empty, short or foreign file ends with code 1 and names the file."""
    file = tmp_path / "wrong.gguf"
    if content is not None:
        file.write_bytes(content)

    ended = subprocess.run(
        [sys.executable, "-m", "services.llm.llama_server", "--model", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 1
    assert "wrong.gguf" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another OpenMP")
def test_threads_that_wait_for_each_other_give_up_their_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenMP itself tells for how long they spin; somebody's own choice counts."""
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")
    file = tmp_path / "wrong.gguf"
    file.write_bytes(b"no model")
    told = []
    for chosen in ("", "77"):
        if chosen:
            monkeypatch.setenv("GOMP_SPINCOUNT", chosen)
        ended = subprocess.run(
            [sys.executable, "-m", "services.llm.llama_server", "--model", str(file)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        told += re.findall(r"GOMP_SPINCOUNT = '(\d+)'", ended.stderr)

    assert told == ["500", "77"]


@pytest.mark.model
def test_a_port_in_use_ends_the_server() -> None:
    """Two servers never share a port: the second one says so and ends."""
    (model,) = model_path("smollm2-135m-instruct-q4_1").glob("*.gguf")
    module = [sys.executable, "-m", "services.llm.llama_server"]
    with llama_server() as (_, address):
        port = address.rpartition(":")[2]
        ended = subprocess.run(
            [*module, "--model", str(model), "--port", port],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert ended.returncode == 1
    assert "port" in ended.stderr
