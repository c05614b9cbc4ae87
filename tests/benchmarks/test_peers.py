from __future__ import annotations

import ast
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from benchmarks.callers import hold
from benchmarks.dialogues import Maker
from benchmarks.judge import rows
from benchmarks.lines import PEERS, dial
from benchmarks.peers import pipecat_peer
from benchmarks.prompts import project_samples
from benchmarks.systems import REAL, base_environment, start_llama, starter
from voicebus.errors import ConfigError
from voicebus.settings import PREFIX

BOT = Path(pipecat_peer.__file__).with_name("pipecat_bot.py")


def test_the_peer_imports_nothing_of_ours() -> None:
    """It runs in an environment in which this project is not installed."""
    imported = {
        (node.module or "").partition(".")[0]
        for node in ast.walk(ast.parse(BOT.read_text()))
        if isinstance(node, ast.ImportFrom)
    }

    assert not imported & {"benchmarks", "edge", "schemas", "services", "subjects", "voicebus"}


def test_the_default_pipeline_is_set_by_nobody() -> None:
    """What the peer ships with is what is measured; the tuned one says what was changed."""
    assert pipecat_peer.VARIANTS["pipecat_default"].arguments() == []
    assert pipecat_peer.VARIANTS["pipecat_best"].arguments() == [
        *("--turn-stop-s", "1.0"),
        *("--beam-size", "1"),
    ]


def test_the_peers_versions_are_pinned_and_its_engines_are_ours() -> None:
    """The same engines in other versions would be other engines."""
    pinned = dict(
        line.split("==")
        for line in pipecat_peer.REQUIREMENTS.read_text().splitlines()
        if not line.startswith("#")
    )
    lock = (Path(__file__).parents[2] / "requirements" / "voicebus.lock").read_text()

    assert all(pinned.values())
    for name in ("ctranslate2", "faster-whisper", "onnxruntime", "piper-tts"):
        assert f"\n{name}=={pinned[name]} " in lock


async def test_an_installation_that_fails_says_why() -> None:
    """The last lines of the installer are what a person needs."""
    with pytest.raises(ConfigError, match="no luck"):
        await pipecat_peer._run(sys.executable, "-c", "raise SystemExit('no luck')")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.model
@pytest.mark.timeout(1200)
async def test_a_pipecat_pipeline_answers_a_caller(tmp_path: Path) -> None:
    """The same caller that talks to ours talks to a peer on the same engines."""
    environ = {**base_environment(), **REAL}
    maker = Maker(project_samples(), project_samples(), 1)
    dialogue = maker._alone(1, maker._complete())
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(starter(tmp_path / "shared"))
        environ[f"{PREFIX}LLM_URL"] = await start_llama(shared, os.environ)
        python = await pipecat_peer.install()
        started = await stack.enter_async_context(starter(tmp_path / "peer"))
        variant = pipecat_peer.VARIANTS["pipecat_best"]
        url = await pipecat_peer.start(started, python, variant, environ)
        async with dial(url, PEERS, "") as line:
            (row,) = rows(await hold(dialogue, line), "pipecat_best", {})

    assert row.error == ""
    assert row.response_ms is not None
    assert "he" in row.transcript.casefold()
