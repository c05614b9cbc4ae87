"""Settings come from the environment, and a wrong one is named."""

from __future__ import annotations

import os

import pytest
from msgspec import Struct

from voicebus import known, settings
from voicebus.errors import ConfigError
from voicebus.settings import BusSettings, ModelSettings, ProcessSettings

EVERY = [pytest.param(kind, scope, id=kind.__name__) for kind, scope in known.every_setting()]


@pytest.mark.parametrize(("kind", "scope"), EVERY)
def test_an_empty_environment_gives_the_defaults(kind: type[Struct], scope: str) -> None:
    """Nothing has to be set."""
    assert settings.read(kind, {}, scope) == kind()


def test_values_are_converted_to_their_types() -> None:
    """Numbers, truth values and words, as people write them into an environment."""
    environ = {
        "VOICEBUS_NATS_URL": "nats://bus:4222",
        "VOICEBUS_AUDIO_BYTES": "1000",
        "VOICEBUS_RECORD": "claims",
        "VOICEBUS_DRAIN_S": "1.5",
        "VOICEBUS_OFFLINE": "true",
        "PATH": "/bin",
    }

    bus = settings.read(BusSettings, environ)
    assert (bus.nats_url, bus.audio_bytes, bus.record) == ("nats://bus:4222", 1000, "claims")
    assert settings.read(ProcessSettings, environ).drain_s == 1.5
    assert settings.read(ModelSettings, environ).offline is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOICEBUS_AUDIO_BYTES", "much"),
        ("VOICEBUS_REPLICAS", ""),
        ("VOICEBUS_METRICS_PORT", "80.5"),
        ("VOICEBUS_OFFLINE", "perhaps"),
        ("VOICEBUS_CELL", "two.parts"),
        ("VOICEBUS_RECORD", "some"),
        ("VOICEBUS_STT_SLOTS", "a few"),
        ("VOICEBUS_LLM_TEMPERATURE", "warm"),
        ("VOICEBUS_EDGE_PORT", "http"),
    ],
)
def test_a_wrong_value_names_its_variable(name: str, value: str) -> None:
    """Who made the mistake sees which variable it is in, and what stands there."""

    def read_all() -> None:
        for kind, scope in known.every_setting():
            settings.read(kind, {name: value}, scope)

    with pytest.raises(ConfigError) as refusal:
        read_all()

    assert str(refusal.value).startswith(f"{name}={value!r}: ")


def test_values_that_contradict_each_other_are_refused() -> None:
    """A pause that ends an utterance before its recognition begins is no setting."""
    environ = {"VOICEBUS_STT_END_PAUSE_MS": "100", "VOICEBUS_STT_SOFT_PAUSE_MS": "200"}
    kind, scope = next(entry for entry in known.every_setting() if entry[1] == "STT_")

    with pytest.raises(ConfigError) as refusal:
        settings.read(kind, environ, scope)

    told = "VOICEBUS_STT_END_PAUSE_MS='100', VOICEBUS_STT_SOFT_PAUSE_MS='200': "
    assert str(refusal.value).startswith(told)


def test_a_value_that_contradicts_a_default_names_both() -> None:
    """Who set only one of them sees what the other one is."""
    kind, scope = next(entry for entry in known.every_setting() if entry[1] == "EDGE_")

    with pytest.raises(ConfigError) as refusal:
        settings.read(kind, {"VOICEBUS_EDGE_MAX_UPLOAD_BYTES": "999999999"}, scope)

    told = "VOICEBUS_EDGE_UPLOADS_BYTES=268435456: must be at least max_upload_bytes"
    assert str(refusal.value).startswith(told)


def test_what_people_are_told_of_the_bus_has_no_secret() -> None:
    """Neither a password nor a token of an address is repeated in an error."""
    url = "nats://me:secret@bus-1:4222,tls://token@bus-2:4222,bus-3,nats://127.0.0.1:4222"

    assert BusSettings(nats_url=url).shown_url == (
        "nats://bus-1:4222,tls://bus-2:4222,bus-3,nats://127.0.0.1:4222"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("VOICEBUS_NATS_URI", "VOICEBUS_NATS_URL"),
        ("VOICEBUS_STT_MODLE", "VOICEBUS_STT_MODEL"),
        ("VOICEBUS_EDGE_PROT", "VOICEBUS_EDGE_PORT"),
        ("VOICEBUS_LOGLEVEL", "VOICEBUS_LOG_LEVEL"),
    ],
)
def test_an_unknown_variable_is_refused_with_a_hint(name: str, hint: str) -> None:
    """A misspelt setting would be ignored in silence otherwise."""
    with pytest.raises(ConfigError, match=rf"{name} \(did you mean {hint}\?\)"):
        settings.check_known({name: "x"}, known.every_setting())


def test_all_unknown_variables_are_named_at_once() -> None:
    """Nobody fixes one to be told of the next; a name like no other has no hint."""
    environ = {"VOICEBUS_QQQQQQQQ": "x", "VOICEBUS_CEL": "x", "VOICEBUS_CELL": "x", "HOME": "/"}

    with pytest.raises(ConfigError) as refusal:
        settings.check_known(environ, known.every_setting())

    assert str(refusal.value) == (
        "unknown setting: VOICEBUS_CEL (did you mean VOICEBUS_CELL?), VOICEBUS_QQQQQQQQ"
    )


def test_known_variables_are_let_pass() -> None:
    """Every setting of every part may stand in the environment of each."""
    environ = {
        settings.variable(field, scope): "x"
        for kind, scope in known.every_setting()
        for field in kind.__struct_fields__
    }

    settings.check_known(environ, known.every_setting())

    assert len(environ) == sum(len(kind.__struct_fields__) for kind, _ in known.every_setting())


@pytest.mark.parametrize(
    ("given", "name"),
    [("stt-1", "stt-1"), ("my host.local", "my-host-local"), ("x" * 99, "x" * 64)],
)
def test_a_process_has_a_name_that_fits_into_a_subject(given: str, name: str) -> None:
    """Host names have dots; subjects' tokens must not."""
    assert ProcessSettings(worker_id=given).name() == name


def test_a_process_without_a_name_is_called_by_host_and_pid() -> None:
    """Two workers of one machine differ."""
    assert ProcessSettings().name().endswith(f"-{os.getpid()}")
