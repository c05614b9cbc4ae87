"""The users of a bus, as files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from subjects.permissions import OPERATORS, SYSTEM
from subjects.streams import ROLES
from voicebus import credentials
from voicebus.bus.nkeys import UserKey
from voicebus.errors import ConfigError

USERS = len({*ROLES, *OPERATORS, SYSTEM}) + 1
"""With one edge."""


def seeds(folder: Path) -> dict[str, str]:
    """Every user's seed."""
    return {path.stem: path.read_text() for path in folder.glob("*.seed")}


def test_there_is_a_user_for_every_role_and_edge(tmp_path: Path) -> None:
    """Each has a key of its own, and its seed is the one of its public key."""
    roster = credentials.create(tmp_path / "users", "local", ("web", "phone"))

    assert set(roster.users) == {*ROLES, *OPERATORS, SYSTEM, "edge-web", "edge-phone"}
    assert {
        name: UserKey.of_seed(seed).public for name, seed in seeds(tmp_path / "users").items()
    } == {name: user.public_key for name, user in roster.users.items()}
    assert len({user.public_key for user in roster.users.values()}) == len(roster.users)


def test_seeds_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else of the machine reads them."""
    credentials.create(tmp_path / "users", "local", ("web",))

    assert stat.S_IMODE((tmp_path / "users").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "users").glob("*.seed")} == {
        0o600
    }


def test_what_the_server_reads_holds_no_secret(tmp_path: Path) -> None:
    """Public keys only, in both of the files that may be shown."""
    credentials.create(tmp_path, "local", ("web",))

    shown = (tmp_path / "users.conf").read_text() + (tmp_path / "users.json").read_text()

    assert [name for name, seed in seeds(tmp_path).items() if seed.strip() in shown] == []
    assert shown.count("nkey: U") == USERS


def test_users_are_not_made_twice(tmp_path: Path) -> None:
    """Whoever has a key keeps it."""
    credentials.create(tmp_path, "local", ())
    before = seeds(tmp_path)

    with pytest.raises(ConfigError, match="has users already"):
        credentials.create(tmp_path, "local", ())

    assert seeds(tmp_path) == before


def test_one_more_edge_disturbs_nobody(tmp_path: Path) -> None:
    """All others have the key and the permissions that they had."""
    before = credentials.create(tmp_path, "local", ("web",))
    kept = seeds(tmp_path)

    added = credentials.add_edge(tmp_path, "phone")

    after = credentials.read(tmp_path)
    assert after.users == {**before.users, "edge-phone": added}
    assert {name: seed for name, seed in seeds(tmp_path).items() if name in kept} == kept
    assert "local.dn.phone.>" in credentials.config_of(tmp_path).read_text()


@pytest.mark.parametrize("name", ["web", "a.b", "", "*", "two words"])
def test_an_edge_that_cannot_be_added_changes_nothing(tmp_path: Path, name: str) -> None:
    """One of that name, or a name that would open the subjects of others."""
    before = credentials.create(tmp_path, "local", ("web",))

    with pytest.raises(ConfigError):
        credentials.add_edge(tmp_path, name)

    assert credentials.read(tmp_path) == before


def test_a_new_key_replaces_one_user_s(tmp_path: Path) -> None:
    """The old key is in no file any more; all others stay."""
    before = credentials.create(tmp_path, "local", ("web",))
    kept = seeds(tmp_path)

    user = credentials.rotate(tmp_path, "edge-web")

    after = credentials.read(tmp_path)
    assert after.users == {**before.users, "edge-web": user}
    assert UserKey.of_seed(seeds(tmp_path)["edge-web"]).public == user.public_key
    assert before.users["edge-web"].public_key not in credentials.config_of(tmp_path).read_text()
    assert {name for name, seed in seeds(tmp_path).items() if kept[name] != seed} == {"edge-web"}


def test_a_user_that_is_not_there_gets_no_key(tmp_path: Path) -> None:
    """The message says who there is."""
    credentials.create(tmp_path, "local", ("web",))

    with pytest.raises(ConfigError, match="edge-web"):
        credentials.rotate(tmp_path, "edge-wep")


def test_a_folder_does_without_the_seeds_that_were_moved_away(tmp_path: Path) -> None:
    """A seed belongs where its process is; adding an edge needs none of them."""
    credentials.create(tmp_path, "local", ())
    for path in tmp_path.glob("*.seed"):
        path.unlink()

    credentials.add_edge(tmp_path, "web")

    assert set(seeds(tmp_path)) == {"edge-web"}
    assert credentials.config_of(tmp_path).read_text().count("nkey: U") == USERS


def test_an_upgrade_makes_what_is_missing_and_keeps_every_key(tmp_path: Path) -> None:
    """Users that an older version did not know, and the cell that is asked for now."""
    before = credentials.create(tmp_path, "local", ("web",))
    old = credentials.Roster(
        cell="local", users={name: user for name, user in before.users.items() if name != "admin"}
    )
    (tmp_path / "users.json").write_bytes(credentials.encoded(old))

    after = credentials.ensure(tmp_path, "other", ("web",))

    assert {**after.users, "admin": before.users["admin"]} == before.users
    assert after.users["admin"] != before.users["admin"]
    assert "vb.local." not in credentials.config_of(tmp_path).read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"cell": 1}'])
def test_a_file_of_another_kind_is_not_replaced(tmp_path: Path, content: str) -> None:
    """What cannot be read is nobody's to write over."""
    (tmp_path / "users.json").write_text(content)

    with pytest.raises(ConfigError, match="not a file of voicebus"):
        credentials.ensure(tmp_path, "local", ())

    assert (tmp_path / "users.json").read_text() == content


def test_a_folder_without_users_says_how_to_make_them(tmp_path: Path) -> None:
    """The command stands in the message."""
    with pytest.raises(ConfigError, match="voicebus auth init"):
        credentials.add_edge(tmp_path, "web")


def test_a_bridge_is_added_beside_the_others(tmp_path: Path) -> None:
    """It has a user of its own; a second one of the name, and a name that is none, are refused."""
    credentials.create(tmp_path, "local", ("web",))
    before = seeds(tmp_path)

    user = credentials.add_bridge(tmp_path, "tg1")

    assert (user.role, user.edge) == ("telegram", "tg1")
    assert seeds(tmp_path).keys() - before.keys() == {"telegram-tg1"}
    assert "vb.local.telegram.*.owner" in (tmp_path / "users.conf").read_text()
    with pytest.raises(ConfigError, match="already"):
        credentials.add_bridge(tmp_path, "tg1")
    with pytest.raises(ConfigError, match="not the name of a bridge"):
        credentials.add_bridge(tmp_path, "a.b")
