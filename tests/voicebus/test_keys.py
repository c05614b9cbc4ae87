"""API keys: made once, stored as hashes, and told apart."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voicebus.errors import AccessDenied, ConfigError
from voicebus.keys import (
    SECRET,
    Allowance,
    Key,
    add_key,
    find,
    keys_file,
    new_key,
    read_keys,
    revoke_key,
)


def made(path: Path, name: str = "phone", allowance: Allowance | None = None) -> tuple[str, Key]:
    """A key that is in the file."""
    secret, key = new_key(name, allowance or Allowance())
    add_key(path, key)
    return secret, key


def by_id(path: Path) -> dict[str, Key]:
    """The keys of a file, as the edge looks them up."""
    return {key.id: key for key in read_keys(path)}


def test_a_key_opens_and_nothing_of_it_is_stored(tmp_path: Path) -> None:
    """The file has hash, name and share, and not the secret; only its owner may read it."""
    path = tmp_path / "data" / "keys.json"
    secret, key = made(path, "phone", Allowance(sessions=3))

    assert SECRET.fullmatch(secret)
    assert find(by_id(path), secret) == key
    assert secret.split("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path)[0].allowance == Allowance(sessions=3)


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret.upper(),
        lambda secret: "vb_00000000_" + secret[12:],
        lambda secret: secret[:12],
        lambda _: "",
        lambda _: "vb_" + "é" * 73,
    ],
    ids=["last digit", "shorter", "longer", "case", "id", "no secret", "empty", "not ASCII"],
)
def test_what_is_not_the_whole_key_opens_nothing(tmp_path: Path, change: object) -> None:
    """One wrong digit is as wrong as all of them."""
    assert callable(change)
    secret, _ = made(tmp_path / "keys.json")

    with pytest.raises(AccessDenied) as refusal:
        find(by_id(tmp_path / "keys.json"), change(secret))
    assert refusal.value.reason == "key_unknown"


def test_a_revoked_key_opens_nothing_any_more(tmp_path: Path) -> None:
    """By name or by id; the others stay good, and the name may be given again."""
    path = tmp_path / "keys.json"
    first, _ = made(path, "phone")
    other, kept = made(path, "web")
    revoke_key(path, "phone")
    second, again = made(path, "phone")

    with pytest.raises(AccessDenied) as refusal:
        find(by_id(path), first)
    assert refusal.value.reason == "key_revoked"
    assert find(by_id(path), other) == kept
    assert find(by_id(path), second) == again
    revoke_key(path, again.id)
    with pytest.raises(AccessDenied):
        find(by_id(path), second)


def test_who_guesses_a_revoked_key_does_not_learn_that_it_was_one(tmp_path: Path) -> None:
    """Only the one who has the whole key is told that it was revoked."""
    path = tmp_path / "keys.json"
    _, key = made(path)
    revoke_key(path, key.id)

    with pytest.raises(AccessDenied) as refusal:
        find(by_id(path), f"vb_{key.id}_{'0' * 64}")
    assert refusal.value.reason == "key_unknown"


def test_a_name_has_one_good_key(tmp_path: Path) -> None:
    """What is revoked by its name must be what was meant."""
    made(tmp_path / "keys.json", "phone")

    with pytest.raises(ConfigError, match="revoke it first"):
        made(tmp_path / "keys.json", "phone")
    with pytest.raises(ConfigError, match="no good key"):
        revoke_key(tmp_path / "keys.json", "web")


def test_keys_that_are_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """Two people at two terminals lose neither's key."""
    path = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        secrets = [secret for secret, _ in pool.map(lambda n: made(path, f"k{n}"), range(24))]

    assert len(read_keys(path)) == 24
    assert {find(by_id(path), secret).name for secret in secrets} == {f"k{n}" for n in range(24)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys":[{}]}', '{"keys":[{"allowance":-1}]}'])
def test_a_file_that_is_not_ours_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file, and nobody's key is overwritten by mending it."""
    path = tmp_path / "keys.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"keys\.json"):
        read_keys(path)
    with pytest.raises(ConfigError):
        made(path)
    assert path.read_text() == text


def test_a_share_that_is_not_said_is_the_edges(tmp_path: Path) -> None:
    """0 is a share, too: no limit."""
    default = Allowance(sessions=5, turns_per_min=7)

    assert Allowance(sessions=0).over(default) == Allowance(sessions=0, turns_per_min=7)


def test_the_file_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, else the user's data folder."""
    monkeypatch.setenv("HOME", "/home/me")

    assert keys_file({"VOICEBUS_EDGE_KEYS_FILE": "/k.json"}) == Path("/k.json")
    assert keys_file({"XDG_DATA_HOME": "/data"}) == Path("/data/voicebus/keys.json")
    assert keys_file({}) == Path("/home/me/.local/share/voicebus/keys.json")


def test_the_file_stays_readable_for_who_reads_it(tmp_path: Path) -> None:
    """The edge may be another user: a key that it cannot see revoked would stay good."""
    path = tmp_path / "keys.json"
    _, key = made(path)
    path.chmod(0o640)

    revoke_key(path, key.id)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert by_id(path)[key.id].revoked
