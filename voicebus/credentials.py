"""The users of a bus: a key for each role and each edge, and the server's file that names them.

A folder holds ``users.json`` (who there is), ``users.conf`` (the same for the server) and a seed
for each user. The two files have public keys only and may be shown. A seed belongs on the machine
of its process and nowhere else; the folder does without it then.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from subjects.permissions import EDGE, OPERATORS, SYSTEM, TELEGRAM, Permissions, permissions
from subjects.streams import ROLES
from subjects.tokens import is_token
from voicebus.bus.nkeys import UserKey
from voicebus.errors import ConfigError

ACCOUNT: Final = "VOICEBUS"
_ROSTER: Final = "users.json"
_CONFIG: Final = "users.conf"
_PUBLIC: Final = 0o644
_SECRET: Final = 0o600


class User(Struct, frozen=True, kw_only=True):
    """A user of the bus.

    Fields
        role: What it is permitted: see :mod:`subjects.permissions`.
        public_key: Its public key.
        edge: The name of an edge, or of a bridge.
    """

    role: str
    public_key: str
    edge: str = ""


class Roster(Struct, frozen=True, kw_only=True):
    """Who there is.

    Fields
        cell: The cell whose subjects they are permitted.
        users: By name: the role, with the name of an edge or a bridge behind it.
    """

    cell: str
    users: dict[str, User]


def config_of(folder: Path) -> Path:
    """Return the file for the server's configuration to include."""
    return folder / _CONFIG


def seed_of(folder: Path, name: str) -> Path:
    """Return the file of a user's seed."""
    return folder / f"{name}.seed"


def edge_user(edge: str) -> str:
    """Return the name of an edge's user."""
    return f"{EDGE}-{edge}"


def bridge_user(bridge: str) -> str:
    """Return the name of a bridge's user."""
    return f"{TELEGRAM}-{bridge}"


def create(folder: Path, cell: str, edges: tuple[str, ...]) -> Roster:
    """Make the users of a new bus, with keys that nobody else has.

    Args:
        folder: Made for its owner alone, unless it is there.
        cell: The cell of the subjects.
        edges: Names of the edges.

    Raises:
        ConfigError: The folder has users already, or a name is none.
    """
    if (folder / _ROSTER).exists():
        raise ConfigError(f"{folder} has users already; `voicebus auth add-edge` adds one more")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _completed(folder, Roster(cell=cell, users={}), edges)


def ensure(
    folder: Path, cell: str, edges: tuple[str, ...], bridges: tuple[str, ...] = ()
) -> Roster:
    """Make the users that are missing, and write what all of them are permitted anew.

    Raises:
        ConfigError: A name is none, or the folder holds something else.
    """
    is_there = (folder / _ROSTER).exists()
    roster = read(folder) if is_there else create(folder, cell, edges)
    return _completed(folder, msgspec.structs.replace(roster, cell=cell), edges, bridges)


def add_edge(folder: Path, edge: str) -> User:
    """Make the user of one more edge; nobody else is disturbed.

    Raises:
        ConfigError: There is one already, the name is none, or the folder has no users.
    """
    roster = read(folder)
    if edge_user(edge) in roster.users:
        raise ConfigError(f"there is an edge {edge!r} already")
    return _completed(folder, roster, (edge,)).users[edge_user(edge)]


def add_bridge(folder: Path, bridge: str) -> User:
    """Make the user of a bridge to Telegram; nobody else is disturbed.

    Raises:
        ConfigError: There is one already, the name is none, or the folder has no users.
    """
    roster = read(folder)
    if bridge_user(bridge) in roster.users:
        raise ConfigError(f"there is a bridge {bridge!r} already")
    return _completed(folder, roster, (), (bridge,)).users[bridge_user(bridge)]


def rotate(folder: Path, name: str) -> User:
    """Give one user a new key. The old one is refused once the server has read the file anew.

    Raises:
        ConfigError: There is no such user.
    """
    roster = read(folder)
    if name not in roster.users:
        raise ConfigError(f"no user {name!r}: there are {', '.join(sorted(roster.users))}")
    key = UserKey.new()
    user = msgspec.structs.replace(roster.users[name], public_key=key.public)
    _write_seed(folder, name, key)
    _write(folder, msgspec.structs.replace(roster, users={**roster.users, name: user}))
    return user


def read(folder: Path) -> Roster:
    """Read who there is.

    Raises:
        ConfigError: There is no such file in the folder, or it is another one.
    """
    path = folder / _ROSTER
    try:
        return msgspec.json.decode(path.read_bytes(), type=Roster)
    except FileNotFoundError as err:
        raise ConfigError(f"{folder} has no users: `voicebus auth init` makes them") from err
    except msgspec.DecodeError as err:
        raise ConfigError(f"{path} is not a file of voicebus: {err}") from err


def encoded(roster: Roster) -> bytes:
    """Return who there is as it stands in the file."""
    return msgspec.json.format(msgspec.json.encode(roster))


def render(roster: Roster) -> str:
    """Return the server's configuration of the users: two accounts that know nothing of each other.

    The server's own account has the one user who is told which connections end.
    """
    users = {ACCOUNT: "", "SYS": ""}
    for name, user in roster.users.items():
        permitted = permissions(user.role, roster.cell, user.public_key, user.edge)
        account = "SYS" if user.role == SYSTEM else ACCOUNT
        users[account] += _USER.format(
            name=name, key=user.public_key, permissions=_permissions(permitted)
        )
    return _FILE.format(account=ACCOUNT, users=users[ACCOUNT], system=users["SYS"])


_FILE: Final = """\
# The users of the bus: public keys only. Written by `voicebus auth` from the table of subjects.
accounts {{
  {account} {{
    jetstream: enabled
    users: [
{users}    ]
  }}
  SYS {{
    users: [
{system}    ]
  }}
}}
system_account: SYS
"""

_USER: Final = """\
      {{ # {name}
        nkey: {key}
        permissions: {{
{permissions}        }}
      }}
"""


def _permissions(permitted: Permissions) -> str:
    return "".join(
        f"          {verb}: {_allowed(subjects)}\n"
        for verb, subjects in (
            ("publish", permitted.publish),
            ("subscribe", permitted.subscribe),
        )
    )


def _allowed(subjects: tuple[str, ...]) -> str:
    if not subjects:
        return '{ deny: ">" }'  # the server takes an empty list of what is allowed for everything
    listed = "\n".join(f"            {json.dumps(subject)}" for subject in subjects)
    return f"{{ allow: [\n{listed}\n          ] }}"


def _completed(
    folder: Path, roster: Roster, edges: tuple[str, ...], bridges: tuple[str, ...] = ()
) -> Roster:
    wanted = {name: (name, "") for name in (*ROLES, *OPERATORS, SYSTEM)}
    for role, what, named in ((EDGE, "an edge", edges), (TELEGRAM, "a bridge", bridges)):
        for name in named:
            if not is_token(name):
                raise ConfigError(f"not the name of {what}: {name!r} (letters, digits, - and _)")
            wanted[f"{role}-{name}"] = (role, name)
    users = dict(roster.users)
    for name, (role, edge) in wanted.items():
        if name not in users:
            key = UserKey.new()
            _write_seed(folder, name, key)
            users[name] = User(role=role, edge=edge, public_key=key.public)
    completed = msgspec.structs.replace(roster, users=users)
    _write(folder, completed)
    return completed


def _write(folder: Path, roster: Roster) -> None:
    # The server's file first: the other one alone decides which users there are to be.
    _replace(folder / _CONFIG, render(roster).encode(), _PUBLIC)
    _replace(folder / _ROSTER, encoded(roster), _PUBLIC)


def _write_seed(folder: Path, name: str, key: UserKey) -> None:
    _replace(seed_of(folder, name), f"{key.seed}\n".encode(), _SECRET)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file; whoever reads it meanwhile has the old or the new one."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
