"""``voicebus keys``."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicebus.cli.main import main
from voicebus.keys import SECRET, Allowance, read_keys


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the settings name."""
    monkeypatch.setenv("VOICEBUS_EDGE_KEYS_FILE", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def test_a_key_is_shown_once(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has the key and nothing else, for a script; the list never has it."""
    assert main(["keys", "add", "phone", "--sessions", "3", "--audio-s-per-min", "0"]) == 0
    secret = capsys.readouterr().out.strip()
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out

    assert SECRET.fullmatch(secret)
    assert read_keys(path)[0].allowance == Allowance(sessions=3, audio_s_per_min=0)
    assert secret not in listed
    assert secret.split("_")[1] in listed
    assert "phone" in listed
    assert "good" in listed
    assert "sessions=3 audio_s_per_min=0" in listed


def test_a_revoked_key_stays_in_the_list(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sees which keys there were."""
    main(["keys", "add", "phone"])
    assert main(["keys", "revoke", "phone"]) == 0
    capsys.readouterr()
    main(["keys", "list"])

    assert "phone" in (listed := capsys.readouterr().out)
    assert "revoked 2" in listed
    assert read_keys(path)[0].revoked


def test_what_cannot_be_done_is_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name, and a folder in the file's place."""
    assert main(["keys", "list"]) == 0
    assert "no keys" in capsys.readouterr().out
    assert main(["keys", "revoke", "phone"]) == 2
    assert "phone" in capsys.readouterr().err
    path.mkdir()
    assert main(["keys", "add", "phone"]) == 2
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[""], ["a b"], ["x", "--sessions", "-1"], ["x" * 65]])
def test_a_wrong_name_or_share_is_refused(arguments: list[str], path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(SystemExit) as end:
        main(["keys", "add", *arguments])

    assert end.value.code == 2
    assert not path.exists()
