"""Which processes make a whole system."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.stt.settings import SttSettings
from services.tts.settings import TtsSettings
from subjects import streams
from voicebus import parts
from voicebus.errors import ConfigError
from voicebus.supervisor import UpSettings


def test_the_models_are_those_of_the_chosen_engines() -> None:
    """Nothing is downloaded that no part loads."""
    up = UpSettings()
    synthetic = {
        "VOICEBUS_STT_ENGINE": "synthetic",
        "VOICEBUS_LLM_ENGINE": "synthetic",
        "VOICEBUS_TTS_ENGINE": "synthetic",
    }

    assert parts.needed_models({}, up) == (
        "silero-vad",
        "whisper-base",
        "smart-turn-v3.2",
        "piper-en_US-joe-medium",
        "smollm2-135m-instruct-q4_1",
    )
    assert parts.needed_models(synthetic, up) == ("silero-vad",)
    assert parts.needed_models(
        {
            "VOICEBUS_STT_MODEL": "whisper-tiny.en",
            "VOICEBUS_STT_TURN_MODEL": "",
            "VOICEBUS_LLM_URL": "http://other/v1",
        },
        up,
    ) == ("silero-vad", "whisper-tiny.en", "piper-en_US-joe-medium")


def test_every_default_is_the_workers_own() -> None:
    """What a worker loads when nothing is set is what is fetched when nothing is set."""
    stt, tts = SttSettings(), TtsSettings()

    assert set(parts.needed_models({}, UpSettings())) >= {
        stt.model,
        stt.turn_model,
        *(f"piper-{voice.model}" for voice in tts.offers()),
    }


def test_what_drains_has_the_time_for_it() -> None:
    """A telephone call may go on for as long as the operator has said; the rest ends in seconds."""
    given = {"VOICEBUS_DRAIN_S": "300"}

    assert parts.telephony_part(given).stop_s > 305
    assert parts.worker_part("stt", given).stop_s > 305
    assert parts.worker_part("stt", {}).stop_s > 10
    with pytest.raises(ConfigError, match="VOICEBUS_DRAIN_S"):
        parts.worker_part("stt", {"VOICEBUS_DRAIN_S": "soon"})


def test_every_voice_on_offer_is_a_model() -> None:
    """Voices are a list, with or without spaces."""
    environ = {"VOICEBUS_TTS_VOICES": "one, two,", "VOICEBUS_LLM_ENGINE": "synthetic"}

    models = parts.needed_models(environ, UpSettings())

    assert models[3:] == ("piper-one", "piper-two")


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"VOICEBUS_LLM_URL": "http://other/v1"}, False),
        ({"VOICEBUS_LLM_ENGINE": "synthetic"}, False),
        ({"VOICEBUS_LLM_ENGINE": "openai"}, True),
    ],
)
def test_the_embedded_model_server_runs_when_no_other_is_named(
    environ: dict[str, str], wanted: bool
) -> None:
    """A URL of one's own replaces it."""
    assert parts.needs_llama(environ) is wanted


def test_the_users_settings_win_over_those_of_up() -> None:
    """What is given by the command is a default for the parts."""
    made = parts.environment({"VOICEBUS_NATS_URL": "mine"}, NATS_URL="ours", LLM_URL="ours")

    assert made["VOICEBUS_NATS_URL"] == "mine"
    assert made["VOICEBUS_LLM_URL"] == "ours"
    assert made["PATH"] == os.environ["PATH"]


def test_a_free_port_is_the_wanted_one_unless_it_is_taken() -> None:
    """A second bus on one machine takes another port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        other = parts.free_port(port)

    assert other != port
    assert parts.free_port(other) == other


def test_a_free_port_is_given_to_nobody_else_meanwhile() -> None:
    """Whoever asks the system for just any port gets another; the part that is meant gets it."""
    free = parts.free_ports(200)
    with ExitStack() as stack:
        others = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(200)]
        callers = [
            stack.enter_context(socket.create_connection(server.getsockname())) for server in others
        ]
        given = {one.getsockname()[1] for one in (*others, *callers)}
        meant = stack.enter_context(socket.create_server(("127.0.0.1", free[0])))

        assert len(set(free)) == 200
        assert given.isdisjoint(free)
        assert meant.getsockname()[1] == free[0]


def test_the_bus_keeps_its_store_in_the_data_folder(tmp_path: Path) -> None:
    """Local only, with a configuration that is written for it and a folder of its own."""
    part = parts.nats_part(UpSettings(data_dir=str(tmp_path), nats_port=4333), {})

    argv = list(part.argv)
    assert argv[argv.index("-sd") + 1] == str(tmp_path / "jetstream")
    assert 'listen: "127.0.0.1:4333"' in Path(argv[argv.index("-c") + 1]).read_text()
    assert part.shown_url == "nats://127.0.0.1:4333"


def test_a_part_has_the_seed_of_its_own_user(tmp_path: Path) -> None:
    """Whatever the environment named before."""
    environ = {"VOICEBUS_NATS_NKEY_FILE": "another", "PATH": "there"}

    assert parts.with_key(environ, tmp_path, "stt") == {
        "VOICEBUS_NATS_NKEY_FILE": str(tmp_path / "stt.seed"),
        "PATH": "there",
    }


def test_there_is_a_part_for_every_role() -> None:
    """The roles of the command line are those of the work queue."""
    assert parts.ROLES == streams.STAGES


@pytest.mark.parametrize("role", parts.ROLES)
def test_a_worker_is_asked_whether_it_is_ready_where_it_serves(role: str) -> None:
    """The port in its environment is the one that is polled."""
    part = parts.worker_part(role, {"A": "b"})

    port = part.environment["VOICEBUS_METRICS_PORT"]
    assert part.ready_url == f"http://127.0.0.1:{port}/readyz"
    assert list(part.argv) == [sys.executable, "-m", f"services.{role}"]
    assert part.environment["A"] == "b"


def test_an_edge_that_listens_everywhere_is_asked_on_this_machine() -> None:
    """Nobody can open a URL with 0.0.0.0 in it."""
    everywhere = parts.edge_part(8099, {"VOICEBUS_EDGE_HOST": "0.0.0.0"})

    assert everywhere.shown_url == "http://127.0.0.1:8099"
    assert everywhere.environment["VOICEBUS_EDGE_PORT"] == "8099"


def test_a_missing_server_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without nats-server the command says what to install."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigError, match="make setup"):
        parts.nats_binary()
