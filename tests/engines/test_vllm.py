"""A whole system in front of vLLM: replies, adapters by their names, and vLLM's own metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deploy.dashboards import models
from tests.e2e.client import connected
from tests.engines.vllm_server import ADAPTER, MODEL, vllm_server
from tests.models import model_path
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For files and logs."""
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def vllm(folder: Path) -> Iterator[str]:
    """The server's address."""
    with vllm_server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def system(folder: Path, vllm: str) -> Iterator[System]:
    """Synthetic ears and voice; `voicebus worker llm` against vLLM."""
    model_path("silero-vad")
    settings = {
        **SYNTHETIC,
        "LLM_ENGINE": "openai",
        "LLM_KIND": "vllm",
        "LLM_URL": f"{vllm}/v1",
        "LLM_MAX_TOKENS": "24",
    }
    with System(folder / "system", settings) as running:
        yield running


def completed(system: System, model: str) -> httpx2.Response:
    """Ask through the OpenAI API of the edge."""
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 16}
    url = f"{system.root}/v1/chat/completions"
    return httpx2.post(url, json=body, timeout=60, **PLAIN)


def text_of(answer: httpx2.Response) -> str:
    """The words of an answer."""
    assert answer.status_code == 200, answer.text
    told: Any = answer.json()
    return str(told["choices"][0]["message"]["content"])


async def test_a_conversation_is_answered_by_vllm(system: System) -> None:
    """Over the real edge; the reply tells that it came from there."""
    async with connected(system, {}) as client:
        await client.send("text", text=QUESTION)
        await client.until("turn_ended", turn=1, outcome="completed", within_s=60)

    assert "Paris" in client.messages("reply_done", turn=1)[0]["text"]
    assert system.metric("llm", "voicebus_llm_tokens_total", engine="vllm", model=MODEL) > 0
    assert system.metric("llm", "voicebus_llm_unpriced_total") == 0


def test_an_adapter_is_asked_for_by_its_name(system: System) -> None:
    """The edge lists it, and its words are not the model's."""
    listed = httpx2.get(f"{system.root}/v1/models", timeout=10, **PLAIN).json()["data"]

    assert {MODEL, ADAPTER} <= {model["id"] for model in listed}
    plain, pirate = text_of(completed(system, MODEL)), text_of(completed(system, ADAPTER))
    assert "Paris" in plain
    assert pirate != plain


def test_an_adapter_that_does_not_exist_is_refused_and_nobody_else_is(system: System) -> None:
    """In words, with the code that clients know; vLLM's own words for it stay there."""
    refused = completed(system, "corsair")

    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert "corsair" in refused.json()["error"]["message"]
    assert "Paris" in text_of(completed(system, MODEL))


def test_the_dashboard_asks_for_metrics_that_vllm_has(system: System, vllm: str) -> None:
    """Dashboard 6 joins them with ours."""
    assert text_of(completed(system, MODEL))
    page = httpx2.get(f"{vllm}/metrics", timeout=10, **PLAIN).text
    there = set(re.findall(r"^(vllm:\w+)[{ ]", page, re.MULTILINE))

    queries = [q.expr for row in models.dashboard().rows for p in row.panels for q in p.queries]
    asked = {name for query in queries for name in re.findall(r"vllm:\w+", query)}
    assert len(asked) > 5
    assert asked <= there
