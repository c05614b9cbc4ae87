"""Secrets for clients that have no key."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from edge.keys import Keys
from edge.openai.client_secrets import ClientSecrets
from voicebus.errors import AccessDenied, ProtocolError
from voicebus.keys import Allowance, Key, add_key, new_key, revoke_key

SESSION = {"instructions": "Be brief."}


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now_s


def with_key(folder: Path) -> tuple[Path, Key]:
    """A file with one key."""
    path = folder / "keys.json"
    _, key = new_key("page", Allowance())
    add_key(path, key)
    return path, key


def refused(secrets: ClientSecrets, presented: str, origin: str | None = None) -> str:
    """Why a secret is refused."""
    with pytest.raises(AccessDenied) as caught:
        secrets.check(presented, origin)
    return caught.value.reason


def test_any_edge_that_has_the_keys_can_check_a_secret(tmp_path: Path) -> None:
    """What was asked for comes out at another process, with the key on whose account it goes."""
    path, key = with_key(tmp_path)
    made, expires_at = ClientSecrets(Keys(path), Clock()).make(key, SESSION, "", 600)

    grant, found = ClientSecrets(Keys(path), Clock()).check(made, "https://any.example")

    assert expires_at == 1_600
    assert grant.session == SESSION
    assert found == key


def test_a_secret_is_good_for_its_time_only(tmp_path: Path) -> None:
    """To the second."""
    path, key = with_key(tmp_path)
    clock = Clock()
    secrets = ClientSecrets(Keys(path), clock)
    made, expires_at = secrets.make(key, SESSION, "", 10)
    clock.now_s = expires_at - 0.1
    secrets.check(made, None)

    clock.now_s = float(expires_at)

    assert refused(secrets, made) == "client_secret_expired"


def test_a_secret_ends_with_its_key(tmp_path: Path) -> None:
    """Who revokes a key revokes what was made with it."""
    path, key = with_key(tmp_path)
    made, _ = ClientSecrets(Keys(path), Clock()).make(key, SESSION, "", 600)
    revoke_key(path, key.id)

    assert refused(ClientSecrets(Keys(path), Clock()), made) == "client_secret_unknown"


@pytest.mark.parametrize("origin", [None, "https://other.example"])
def test_a_secret_for_one_page_is_nobody_elses(tmp_path: Path, origin: str | None) -> None:
    """Another page cannot use it, and neither can a program that is none."""
    path, key = with_key(tmp_path)
    secrets = ClientSecrets(Keys(path), Clock())
    made, _ = secrets.make(key, SESSION, "https://mine.example", 600)

    assert refused(secrets, made, origin) == "origin_forbidden"
    assert secrets.check(made, "https://mine.example")[1] == key


def test_no_bit_of_a_secret_can_be_changed(tmp_path: Path) -> None:
    """Not of what it says, not of its signature; and it needs both."""
    path, key = with_key(tmp_path)
    secrets = ClientSecrets(Keys(path), Clock())
    made, _ = secrets.make(key, SESSION, "", 600)
    statement, _, signature = made.partition(".")
    other, _ = secrets.make(key, {"instructions": "Be rude."}, "", 600)

    forged = [f"{other.partition('.')[0]}.{signature}", statement, f"{statement}.", "ek_", "ek_.é"]
    forged += [
        made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]
        for place in range(3, len(made) - 1)
        if made[place] != "."
    ]

    assert {refused(secrets, each) for each in forged} == {"client_secret_unknown"}


def test_without_keys_a_secret_is_its_processs_own(tmp_path: Path) -> None:
    """Nothing that others have signs it; where keys are needed it opens nothing."""
    path, _ = with_key(tmp_path)
    secrets = ClientSecrets(Keys(None), Clock())
    made, _ = secrets.make(None, SESSION, "", 600)

    assert secrets.check(made, None)[0].session == SESSION
    assert refused(ClientSecrets(Keys(None), Clock()), made) == "client_secret_unknown"
    assert refused(ClientSecrets(Keys(path), Clock()), made) == "client_secret_unknown"


def test_a_secret_fits_into_a_header(tmp_path: Path) -> None:
    """Settings that do not are refused while somebody can still be told."""
    path, key = with_key(tmp_path)

    with pytest.raises(ProtocolError) as caught:
        ClientSecrets(Keys(path), Clock()).make(key, {"instructions": "x" * 9_000}, "", 600)

    assert caught.value.reason == "session_too_large"


def test_a_statement_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    """Whatever stands in it: it is read before anybody can know who wrote it."""
    secrets = ClientSecrets(Keys(with_key(tmp_path)[0]), Clock())
    deep = b'{"expires_at": 1, "session": {"a": ' + b"[" * 6_000
    for statement in (deep, b"\xff", b"{}", b'{"expires_at": "soon"}', b'{"expires_at": 1e99}'):
        presented = f"ek_{urlsafe_b64encode(statement).decode()}.AAAA"

        assert refused(secrets, presented) == "client_secret_unknown"
