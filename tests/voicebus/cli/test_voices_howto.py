"""docs/howto/voices.md: its settings are some, its commands run, and what goes wrong is so told."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from services.tts.settings import SCOPE, TtsSettings
from tests.test_house_rules import ROOT
from tests.voicebus.cli.test_voices import SAMPLE, cell
from voicebus import settings
from voicebus.audio.wav import read_wav, wav_header, write_wav
from voicebus.cli.main import main
from voicebus.voices import PRESETS

__all__ = ["cell"]

PAGE = (ROOT / "docs" / "howto" / "voices.md").read_text(encoding="utf-8")
LINES = [line.strip() for line in PAGE.replace("\\\n", " ").splitlines() if line.startswith("    ")]
RATE_HZ = 16_000


def environment(line: str) -> dict[str, str]:
    """What a line of a shell sets."""
    done = subprocess.run(
        ["sh", "-c", f"set -a; {line}\nenv -0"], capture_output=True, text=True, check=True, env={}
    )
    pairs = [one.split("=", 1) for one in done.stdout.split("\0") if one]
    return {name: value for name, value in pairs if name.startswith("VOICEBUS_")}


def commands(name: str) -> list[list[str]]:
    """The arguments of each ``voicebus voices`` of the page that does this."""
    written = [*LINES, *re.findall(r"`(voicebus [^`]*)`", PAGE)]
    split = [shlex.split(line) for line in written if f"voicebus voices {name}" in line]
    return [one[one.index("voices", 1) :] for one in split]


def said(case: str) -> str:
    """What the page says is told of something that goes wrong."""
    (told,) = re.findall(rf"^\| {case} \| \*(.+?)\*", PAGE, re.MULTILINE)
    return str(told)


def test_the_voices_of_the_page_are_offered() -> None:
    """The first one is the default, and each has the preset that stands behind it."""
    (line,) = [line for line in LINES if line.startswith("VOICEBUS_TTS_VOICES")]

    joe, calm = settings.read(TtsSettings, environment(line), SCOPE).offers()

    assert (joe.name, joe.model) == ("joe", "en_US-joe-medium")
    assert (calm.name, calm.model, calm.preset) == ("calm-joe", joe.model, PRESETS["calm"])


def test_the_presets_of_the_page_are_those_that_there_are() -> None:
    """And one of one's own is a speed and a temperature."""
    (line,) = [line for line in PAGE.splitlines() if "presets are" in line]
    named = re.findall(r"`([a-z]+)`", line)
    own = re.findall(r"`([\d.:]+)`", line)

    assert set(named) == set(PRESETS)
    (offer,) = TtsSettings(voices=f"joe@{own[0]}").offers()
    assert (offer.preset.speed, offer.preset.temperature) == (1.1, 0.8)


def test_the_settings_of_a_worker_with_xtts_are_some() -> None:
    """The engine, the folder of the model, and that its licence is accepted."""
    (line,) = [line for line in LINES if line.startswith("export ")]

    chosen = settings.read(TtsSettings, environment(line), SCOPE)

    assert (chosen.engine, chosen.xtts_licence) == ("xtts", "CPML")
    assert chosen.xtts_model in PAGE


def test_every_setting_that_is_named_is_there() -> None:
    """Also those between the lines."""
    known = {f"VOICEBUS_{SCOPE}{name.upper()}" for name in TtsSettings.__struct_fields__}

    assert set(re.findall(rf"VOICEBUS_{SCOPE}\w+", PAGE)) <= known


@pytest.mark.model
def test_the_commands_of_the_page_that_make_a_voice_come_as_far_as_the_licence(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sample of the name that stands there: the samples are heard, and then it is shown."""
    assert main(["voices", "remove", "anna"]) == 0
    monkeypatch.setenv("VOICEBUS_TTS_XTTS_MODEL", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = commands("add")
    for arguments in found:
        mine = [word.replace("/samples/", "") for word in arguments]
        for word in mine:
            if word.endswith(".wav"):
                shutil.copy(SAMPLE, tmp_path / word)
        capsys.readouterr()
        assert main(mine) == 1
        assert "licence of the weights has to be" in capsys.readouterr().err

    assert len(found) == 2


def test_the_commands_of_the_page_show_and_remove_a_voice(
    cell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand there."""
    (listing, *_), (remove, *_) = commands("list"), commands("remove")

    assert main(listing) == 0
    assert "anna" in capsys.readouterr().out
    assert main(remove) == 0
    capsys.readouterr()
    assert main(listing) == 0
    assert "anna" not in capsys.readouterr().out


@pytest.mark.model
@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("a sample in which nobody speaks", "hiss.wav"),
        ("too little speech", "short.wav"),
        ("a sample of ten hours", "day.wav"),
        ("a name that is taken", "sample.wav"),
    ],
)
def test_what_goes_wrong_is_told_in_the_words_of_the_page(
    cell: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
    name: str,
) -> None:
    """But for the numbers, which are those of the sample."""
    monkeypatch.chdir(tmp_path)
    wrong_sample(tmp_path / name)
    voice = "anna" if "taken" in case else "bert"

    code = main(["voices", "add", voice, name, "--consent", "x", "--model", "m"])

    told = re.sub(r"[\d.]+ s\b", "N s", capsys.readouterr().err)
    assert code == 1
    assert re.sub(r"[\d.]+ s\b", "N s", said(case)) in told


def wrong_sample(path: Path) -> None:
    """Write what a voice cannot be made of, as its name says."""
    rate_hz, samples = read_wav(Path(SAMPLE))
    match path.stem:
        case "hiss":
            noise = np.random.default_rng(1).normal(0, 900, 5 * RATE_HZ)
            write_wav(path, noise.astype(np.int16), RATE_HZ)
        case "short":
            write_wav(path, samples[: 2 * rate_hz], rate_hz)
        case "day":
            size = 10 * 3600 * RATE_HZ * 2
            with path.open("wb") as file:
                file.write(wav_header(RATE_HZ, size))
                file.truncate(44 + size)
        case _:
            write_wav(path, samples, rate_hz)
