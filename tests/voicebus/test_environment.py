"""What is wrong with an environment, and what is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebus import known
from voicebus.environment import in_force, problems
from voicebus.errors import ConfigError


def test_an_empty_environment_is_right() -> None:
    """Nothing has to be set, for any process."""
    assert problems({}) == []
    assert [problems({}, process) for process in known.PROCESSES] == [[]] * len(known.PROCESSES)


def test_everything_wrong_is_told_at_once() -> None:
    """Unknown names, wrong values with what is allowed, and what contradicts each other."""
    found = problems(
        {
            "VOICEBUS_STT_SLOTZ": "1",
            "VOICEBUS_REPLICAS": "three",
            "VOICEBUS_LOG_LEVEL": "loud",
            "VOICEBUS_DRAIN_S": "soon",
            "VOICEBUS_STT_ENGINE": "telepathy",
            "VOICEBUS_STT_DEVICE": "tpu",
            "VOICEBUS_STT_END_PAUSE_MS": "100",
            "VOICEBUS_STT_SOFT_PAUSE_MS": "200",
        }
    )

    assert found == [
        "unknown setting: VOICEBUS_STT_SLOTZ (did you mean VOICEBUS_STT_SLOTS?)",
        "VOICEBUS_REPLICAS='three': it may be a whole number",
        "VOICEBUS_LOG_LEVEL='loud': it may be debug, error, info or warning",
        "VOICEBUS_DRAIN_S='soon': it may be a number",
        "VOICEBUS_STT_ENGINE='telepathy': it may be faster-whisper, synthetic or vosk",
        "VOICEBUS_STT_DEVICE='tpu': it may be auto, cpu or cuda",
        "VOICEBUS_STT_END_PAUSE_MS='100', VOICEBUS_STT_SOFT_PAUSE_MS='200': "
        "endpointing needs 0 < soft_pause_ms <= end_pause_ms",
    ]


def test_a_process_is_told_of_its_own_settings() -> None:
    """A wrong value that it does not read does not keep it from starting; an unknown name does."""
    environ = {"VOICEBUS_TTS_SLOTS": "many", "VOICEBUS_QQ": ""}

    assert problems(environ, "stt") == ["unknown setting: VOICEBUS_QQ"]
    assert len(problems(environ, "tts")) == 2


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    """Before a process dies of it; a file that is there is fine."""
    (tmp_path / "ca.pem").write_text("")
    environ = {
        "VOICEBUS_NATS_CA_FILE": f"{tmp_path}/ca.pem",
        "VOICEBUS_NATS_CERT_FILE": f"{tmp_path}/own.pem",
        "VOICEBUS_EDGE_KEYS_FILE": f"{tmp_path}/the first key makes it.json",
    }

    told = f"VOICEBUS_NATS_CERT_FILE='{tmp_path}/own.pem': there is no such file"
    assert problems(environ, "llm") == problems(environ) == [told]


@pytest.mark.parametrize("process", ["edge", "telephony", "telegram"])
def test_a_key_wants_its_name(process: str, tmp_path: Path) -> None:
    """The key of an edge or a bridge is for the subjects of one name."""
    seed = tmp_path / "own.seed"
    seed.write_text("")
    environ = {"VOICEBUS_NATS_NKEY_FILE": str(seed)}
    name = f"VOICEBUS_{process.upper()}_NAME"

    (told,) = problems(environ, process)
    assert told.startswith(f"{name} is missing")
    assert problems({**environ, name: "one"}, process) == []
    assert problems(environ, "stt") == []


def test_no_secret_is_repeated() -> None:
    """Neither where it is wrong nor where it is in force."""
    wrong = {"VOICEBUS_TELEGRAM_TOKEN": "se-cret", "VOICEBUS_TELEGRAM_BOTS_FILE": "/"}
    short = {"VOICEBUS_TELEPHONY_SECRET": "se-cret"}
    environ = {
        "VOICEBUS_LLM_API_KEY": "se-cret",
        "VOICEBUS_NATS_URL": "nats://me:se-cret@bus:4222",
        "VOICEBUS_TELEPHONY_SECRET": "se-cret-of-the-house",
    }

    assert len(problems(wrong)) == 1
    assert problems(short, "telephony") == [
        "VOICEBUS_TELEPHONY_SECRET='[hidden]': must have 16 characters or more"
    ]
    shown = {entry.name: entry.value for entry in in_force(environ)}
    assert "se-cret" not in f"{problems(wrong)} {shown}"
    assert shown["VOICEBUS_LLM_API_KEY"] == "[hidden]"
    assert shown["VOICEBUS_NATS_URL"] == "nats://me:[hidden]@bus:4222"
    assert shown["VOICEBUS_NATS_PASSWORD"] == ""


def test_what_is_in_force_says_where_it_comes_from() -> None:
    """Defaults and given values are told apart; values are as they are written."""
    shown = {entry.name: entry for entry in in_force({"VOICEBUS_DRAIN_S": "9"}, "llm")}

    assert (shown["VOICEBUS_DRAIN_S"].value, shown["VOICEBUS_DRAIN_S"].is_given) == ("9.0", True)
    assert (shown["VOICEBUS_LLM_PREFILL"].value, shown["VOICEBUS_LLM_PREFILL"].is_given) == (
        "false",
        False,
    )
    assert "VOICEBUS_STT_SLOTS" not in shown


def test_nothing_is_in_force_where_a_value_is_wrong() -> None:
    """The process would not start."""
    with pytest.raises(ConfigError, match="VOICEBUS_DRAIN_S"):
        in_force({"VOICEBUS_DRAIN_S": "x"})


@pytest.mark.parametrize(
    ("variable", "text", "place"),
    [
        ("VOICEBUS_LLM_PROVIDERS_FILE", '[providers.one]\nkind = "opnai"', "providers.one.kind"),
        ("VOICEBUS_LLM_PROVIDERS_FILE", "[providers.one\nkind = 1", "at line 1"),
        ("VOICEBUS_LLM_PROVIDERS_FILE", "", "providers"),
        ("VOICEBUS_TOOL_SERVERS_FILE", '[servers.clock]\ncommnd = ["x"]', "servers.clock"),
        ("VOICEBUS_TOOL_SERVERS_FILE", "[servers.clock]", "servers.clock"),
        ("VOICEBUS_TELEGRAM_BOTS_FILE", '[bots.one]\ntoken = "1:short"', "bot one"),
        ("VOICEBUS_EDGE_WIDGET_SITES_FILE", "[sites.shop]\norigins = 5", "sites.shop.origins"),
        ("VOICEBUS_EDGE_WIDGET_SITES_FILE", "[sites.shop]\norigin = []", "sites.shop.origin"),
        ("VOICEBUS_EDGE_KEYS_FILE", '{"keys": [{"id": 5}]}', "keys[0].id"),
    ],
)
def test_a_file_is_read_as_its_process_reads_it(
    variable: str, text: str, place: str, tmp_path: Path
) -> None:
    """One that is broken is named with its setting and the place in it, and so is what is right
    beside it: before a process ends by it, or goes on with what it read before.
    """
    path = tmp_path / "file"
    path.write_text(text)

    (told,) = problems({variable: str(path)})
    assert told.startswith(f"{variable}: ")
    assert str(path) in told
    assert place in told


def test_a_file_that_is_right_is_not_told_of(tmp_path: Path) -> None:
    """Nor is one beside which another setting is wrong, for which it cannot be read."""
    files = {
        "VOICEBUS_LLM_PROVIDERS_FILE": '[providers.one]\nkind = "openai"\nmodel = "m"',
        "VOICEBUS_TOOL_SERVERS_FILE": '[servers.clock]\nurl = "http://127.0.0.1:9"',
        "VOICEBUS_TELEGRAM_BOTS_FILE": f'[bots.one]\ntoken = "1:{"a" * 35}"',
        "VOICEBUS_EDGE_WIDGET_SITES_FILE": '[sites.shop]\norigins = ["https://shop.example"]',
        "VOICEBUS_EDGE_KEYS_FILE": '{"keys": []}',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environ = {name: str(tmp_path / name) for name in files}

    assert problems(environ) == []
    assert problems({**environ, "VOICEBUS_LLM_SLOTS": "many"}) == [
        "VOICEBUS_LLM_SLOTS='many': it may be a whole number"
    ]


def test_every_file_of_ours_is_read() -> None:
    """What is left is read by libraries: seeds and certificates."""
    files = {
        (scope, field)
        for kind, scope in known.every_setting()
        for field in kind.__struct_fields__
        if field.endswith("_file")
    }

    unread = {field for scope, field in files if known.reader(scope, field) is None}
    assert unread == {
        *("nats_nkey_file", "nats_ca_file", "nats_cert_file", "nats_cert_key_file"),
        "system_nkey_file",
    }
