"""Settings and models that are wrong: the process ends with a code and a sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from tests.e2e.upstream import LanguageModel
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System

pytestmark = pytest.mark.model

VOICEBUS = str(Path(sys.executable).with_name("voicebus"))
WORKER = ("worker", "llm")
EDGE = ("edge",)


def run(folder: Path, command: tuple[str, ...], **given: str) -> subprocess.CompletedProcess[str]:
    """Run a ``voicebus`` command that is to end by itself. No bus listens where it looks."""
    environ = System(folder, {}).environment(NATS_URL="nats://127.0.0.1:9", **given)
    return subprocess.run(
        [VOICEBUS, *command], env=environ, capture_output=True, text=True, check=False, timeout=30
    )


def expect_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with this code, one line that has these words, and no traceback."""
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [WORKER, EDGE, ("up",), ("talk", "--text", "hello")])
def test_an_unknown_setting_is_named(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A misspelt variable is an error with the right spelling, whatever the command."""
    done = run(tmp_path, command, STT_MODLE="whisper-base")

    expect_refused(done, 2, "VOICEBUS_STT_MODLE", "VOICEBUS_STT_MODEL")


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (("worker", "stt"), "STT_SLOTS", "many"),
        (("worker", "stt"), "STT_ENGINE", "telepathy"),
        (("worker", "llm"), "LLM_MAX_TOKENS", "1.5"),
        (("worker", "llm"), "LLM_ENGINE", "telepathy"),
        (("worker", "turn"), "TURN_STALL_S", "soon"),
        (("worker", "tts"), "TTS_ENGINE", "telepathy"),
        (("worker", "tts"), "TTS_XTTS_LICENCE", "yes"),
        (EDGE, "EDGE_PORT", "http"),
        (EDGE, "EDGE_NEEDS", "stt,ears"),
        (EDGE, "EDGE_PROXIES", "127.0.0.1,proxy.example"),
        (EDGE, "CELL", "a.b"),
        (EDGE, "EDGE_NAME", "a.b"),
        (WORKER, "NATS_NKEY_FILE", "nowhere.seed"),
        (("up",), "UP_NATS_PORT", "x"),
    ],
)
def test_a_wrong_value_is_named(
    tmp_path: Path, command: tuple[str, ...], name: str, value: str
) -> None:
    """A value that does not fit ends the process with code 2 and the variable's name."""
    expect_refused(run(tmp_path, command, **{name: value}), 2, f"VOICEBUS_{name}")


def test_an_edge_with_a_key_needs_its_name(tmp_path: Path) -> None:
    """The key is for the subjects of one name; under another one all of them would be refused."""
    done = run(tmp_path, EDGE, NATS_NKEY_FILE="mine.seed")

    expect_refused(done, 2, "VOICEBUS_EDGE_NAME")


@pytest.mark.parametrize(
    "given", [{"EDGE_HOST": "0.0.0.0"}, {"EDGE_PROXIES": "127.0.0.1"}], ids=["host", "proxy"]
)
def test_an_edge_that_others_reach_wants_keys(tmp_path: Path, given: dict[str, str]) -> None:
    """It does not start open by mistake, and says what to do."""
    done = run(tmp_path, EDGE, **given)

    expect_refused(done, 2, "voicebus keys add", "VOICEBUS_EDGE_ANYONE")


def test_weights_whose_licence_nobody_accepted_are_not_used(tmp_path: Path) -> None:
    """A worker with XTTS says what they allow and how that is accepted, and does not start."""
    given = {"TTS_ENGINE": "xtts", "TTS_XTTS_MODEL": str(tmp_path)}

    done = run(tmp_path, ("worker", "tts"), **given)

    expect_refused(done, 2, "no commercial use", "VOICEBUS_TTS_XTTS_LICENCE=CPML")


def test_keys_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Nobody knows then who may come in."""
    (tmp_path / "keys.json").write_text("{")

    expect_refused(run(tmp_path, EDGE), 2, "keys.json")


def test_an_llm_address_that_is_none_is_refused(tmp_path: Path) -> None:
    """The address of the language model must be one."""
    expect_refused(run(tmp_path, WORKER, LLM_URL="example"), 2, "http")


@pytest.mark.parametrize(
    ("role", "given", "name"),
    [
        ("stt", {"STT_MODEL": "whisper-enormous"}, "whisper-enormous"),
        ("tts", {"TTS_VOICES": "en_XX-nobody"}, "piper-en_XX-nobody"),
    ],
)
def test_a_model_that_does_not_exist_is_named(
    tmp_path: Path, role: str, given: dict[str, str], name: str
) -> None:
    """A worker whose model is unknown ends with code 1 and says which one."""
    expect_refused(run(tmp_path, ("worker", role), **given), 1, name)


@pytest.mark.fault
def test_a_model_that_is_not_downloaded_is_named(tmp_path: Path) -> None:
    """A worker whose model is not in the store ends and says how to get it."""
    done = run(tmp_path, ("worker", "stt"), MODELS_DIR=str(tmp_path / "empty"))

    expect_refused(done, 1, "whisper-base", "voicebus models pull")


@pytest.mark.parametrize(("command", "name"), [(EDGE, "EDGE_PORT"), (WORKER, "METRICS_PORT")])
def test_a_port_in_use_is_named(tmp_path: Path, command: tuple[str, ...], name: str) -> None:
    """A process whose port is taken ends with code 2 and says which one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run(tmp_path, command, **{name: port}, LLM_ENGINE="synthetic")

    expect_refused(done, 2, f"127.0.0.1:{port}", "in use")


def test_pauses_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """An utterance cannot end before its recognition begins; the sentence names both settings."""
    done = run(tmp_path, ("worker", "stt"), STT_END_PAUSE_MS="50")

    expect_refused(done, 2, "VOICEBUS_STT_", "soft_pause_ms", "end_pause_ms")


@pytest.mark.fault
def test_a_worker_waits_for_a_language_model_that_comes_later(tmp_path: Path) -> None:
    """Its worker lives, is not ready and says why; when the model is there it is ready."""
    with LanguageModel() as model:
        settings = {**SYNTHETIC, "LLM_ENGINE": "openai", "LLM_URL": model.url}
        system = System(tmp_path, settings, roles=("llm",))
        try:
            with model.refusing():
                system.nats.folder.mkdir()
                system.nats.start()
                system.launch()
                worker = system.processes["llm"]
                system.wait_alive(worker)
                answer = httpx2.get(f"{worker.url}/readyz", **PLAIN)
                assert answer.status_code == 503
                assert answer.json()["engine"] is False
                # It is alive before it has asked for the first time.
                deadline_s = time.monotonic() + 20
                while "language model cannot be reached" not in worker.log:
                    assert time.monotonic() < deadline_s, worker.log
                    time.sleep(0.05)
            system.wait_ready()
        finally:
            system.stop()
