"""``voicebus doctor``."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.voicebus.cli.loopback import silent_port
from voicebus.cli import doctor
from voicebus.cli.doctor import Finding, findings
from voicebus.cli.main import main
from voicebus.parts import free_port


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOICEBUS_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("VOICEBUS_UP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://127.0.0.1:{silent_port()}")


def found(word: str, port: int = 0) -> Finding:
    """The one finding about something."""
    (finding,) = [entry for entry in findings(port or free_port()) if word in entry.what]
    return finding


def test_every_problem_comes_with_advice() -> None:
    """What is not as it should be says what to do about it."""
    looked_at = list(findings(free_port()))

    assert len(looked_at) >= 10
    assert [entry for entry in looked_at if not entry.ok and not entry.advice] == []


def test_a_missing_model_says_how_to_get_it() -> None:
    """The command that fetches it is in the advice."""
    finding = found("model whisper-base")

    assert not finding.ok
    assert "voicebus models pull whisper-base" in finding.advice


def test_only_the_models_of_the_chosen_engines_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who uses another language model is not told to download ours."""
    monkeypatch.setenv("VOICEBUS_LLM_URL", "http://other/v1")

    assert [entry for entry in findings(free_port()) if "smollm2" in entry.what] == []


def test_a_wrong_setting_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown or unfit: the finding says which, and the rest is looked at all the same."""
    monkeypatch.setenv("VOICEBUS_STT_SLOTZ", "3")

    finding = found("settings")

    assert not finding.ok
    assert "VOICEBUS_STT_SLOTS" in finding.advice


def test_a_port_in_use_is_a_problem() -> None:
    """The other end of the advice is --port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        finding = found(f"port {port}", port)

    assert not finding.ok
    assert "--port" in finding.advice
    assert found(f"port {port}", port).ok


def test_no_bus_is_no_problem() -> None:
    """`voicebus up` brings its own."""
    finding = found("no bus runs at")

    assert finding.ok


def test_a_running_bus_is_found(monkeypatch: pytest.MonkeyPatch, nats_server: str) -> None:
    """With the URL that it was looked for at."""
    monkeypatch.setenv("VOICEBUS_NATS_URL", nats_server)

    assert found("a bus runs at").ok


def test_something_else_on_the_bus_port_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not greet as NATS does is not taken for one."""
    monkeypatch.setattr(doctor, "_ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("VOICEBUS_NATS_URL", f"nats://127.0.0.1:{other.getsockname()[1]}")

        finding = found("runs at")

    assert not finding.ok
    assert "VOICEBUS_NATS_URL" in finding.advice


def test_the_command_prints_findings_and_ends_with_their_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code 1 while something is missing; each problem has its line of advice."""
    assert main(["doctor", "--port", str(free_port())]) == 1

    lines = capsys.readouterr().out.splitlines()
    problems = [number for number, line in enumerate(lines) if line.startswith("problem")]
    assert problems
    assert all(lines[number + 1].startswith("         -> ") for number in problems)


def test_all_well_is_code_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to do, nothing advised."""
    monkeypatch.setattr(doctor, "findings", lambda _: iter([Finding(ok=True, what="all")]))

    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == "ok       all\n"
