"""Settings: the environment, read once at start-up into frozen structs.

Each process reads the structs that it needs; all of them together are the list of names that
may stand in the environment. A ``VOICEBUS_`` variable that nobody knows is an error, because a
misspelt one would be silently ignored otherwise.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from subjects.streams import Limits, Record
from subjects.tokens import is_token
from voicebus.allowed import allowed
from voicebus.errors import ConfigError
from voicebus.redaction import HIDDEN, is_secret

PREFIX: Final = "VOICEBUS_"
TALK_SCOPE: Final = "TALK_"

_NOT_OF_ITS_TYPE: Final = ("Expected ", "Invalid enum value ")
"""How msgspec begins to say so."""

S = TypeVar("S", bound=Struct)


class BusSettings(Struct, frozen=True, kw_only=True):
    """How to reach the bus and how much it keeps.

    Fields
        nats_url: Servers, separated by commas.
        nats_user: User name, or empty.
        nats_password: Password, or empty.
        nats_nkey_file: File with the seed of this process's user, made by ``voicebus auth``; empty
            where the bus has no users. A process that has one takes the streams as they are.
        nats_ca_file: Certificate of who signed the server's; encrypts the connection. Empty: in the
            clear, unless the address begins with ``tls://``.
        nats_cert_file: This process's certificate, for a server that asks for one.
        nats_cert_key_file: Its key.
        cell: First token of every subject: the cluster that carries the sessions.
        audio_age_s: Age at which callers' audio is dropped from the log.
        audio_bytes: Size of all callers' audio in the log.
        reply_age_s: Age at which reply audio is dropped from the log.
        reply_bytes: Size of all reply audio in the log.
        session_age_s: Age at which transcripts and turn events are dropped from the log.
        session_bytes: Size of all transcripts and turn events in the log.
        conversation_age_s: Age at which a conversation is dropped in which nothing was said.
        conversation_bytes: Size of all conversations; those of the longest silence go first.
        link_age_s: How long a link code is good.
        phrase_age_s: Age at which the audio of a phrase that is said often is made anew.
        phrase_bytes: Size of all such audio.
        replicas: Copies of each stream: 1 on a single server, 3 in a cluster.
        session_tag: Tag of the servers that keep transcripts, turn events and jobs: those that
            flush to the disk before they acknowledge. Empty: any server.
        record: ``all``, or ``claims`` to record nothing that was said or answered: no replay, and
            a worker's death loses what it had heard. The same for every process of a cell.
    """

    nats_url: str = "nats://127.0.0.1:4222"
    nats_user: str = ""
    nats_password: str = ""
    nats_nkey_file: str = ""
    nats_ca_file: str = ""
    nats_cert_file: str = ""
    nats_cert_key_file: str = ""
    cell: str = "local"
    audio_age_s: int = Limits().audio_age_s
    audio_bytes: int = Limits().audio_bytes
    reply_age_s: int = Limits().reply_age_s
    reply_bytes: int = Limits().reply_bytes
    session_age_s: int = Limits().session_age_s
    session_bytes: int = Limits().session_bytes
    conversation_age_s: int = Limits().conversation_age_s
    conversation_bytes: int = Limits().conversation_bytes
    link_age_s: int = Limits().link_age_s
    phrase_age_s: int = Limits().phrase_age_s
    phrase_bytes: int = Limits().phrase_bytes
    replicas: int = 1
    session_tag: str = ""
    record: Record = Record.ALL

    def __post_init__(self) -> None:
        """Refuse what cannot be a subject token."""
        if not is_token(self.cell):
            raise ValueError("must be letters, digits, - or _ - at `$.cell`")

    @property
    def shown_url(self) -> str:
        """The servers as people may be told of them: without user, password or token."""
        return ",".join(_public(url) for url in self.nats_url.split(","))

    def limits(self) -> Limits:
        """Return the streams' limits."""
        return Limits(**{name: getattr(self, name) for name in Limits.__struct_fields__})


class ProcessSettings(Struct, frozen=True, kw_only=True):
    """What every process has.

    Fields
        worker_id: Name of this process on the bus; empty for one made of host and pid.
        metrics_host: Address of /livez, /readyz and /metrics.
        metrics_port: Their port; 0 takes a free one (it is logged and advertised).
        log_level: debug, info, warning or error.
        log_format: console, json, or auto (console on a terminal).
        drain_s: How long a worker may finish short work after SIGTERM. Five seconds later at the
            latest its process has ended, whatever does not let go.
    """

    worker_id: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"
    drain_s: float = 5.0

    def name(self) -> str:
        """Return the process's name on the bus: a valid subject token."""
        raw = self.worker_id or f"{socket.gethostname()}-{os.getpid()}"
        return "".join(c if is_token(c) else "-" for c in raw)[:64]


class ModelSettings(Struct, frozen=True, kw_only=True):
    """Where model files are; the model store reads these variables itself.

    Fields
        models_dir: Folder of the model store; empty for the user's data folder.
        offline: Do not ask the model hub; the package index still is, for what is missing.
    """

    models_dir: str = ""
    offline: bool = False


class TalkSettings(Struct, frozen=True, kw_only=True):
    """Who calls, with ``voicebus talk``.

    Fields
        key: API key of the caller, where the system wants one. Unlike an argument, it is not seen
            by other people on this machine.
    """

    key: str = ""


def read(kind: type[S], environ: Mapping[str, str], scope: str = "") -> S:
    """Build a settings struct from the environment.

    Args:
        kind: The struct; its fields name the variables: ``VOICEBUS_`` + scope + field.
        environ: The environment.
        scope: For example ``STT_``, so that field ``model`` reads ``VOICEBUS_STT_MODEL``.

    Raises:
        ConfigError: A value does not fit its field; the message names the variable.
    """
    given = _given(kind, environ, scope)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as err:
        _, told = _refusal(kind, given, scope, err)
        raise ConfigError(told) from err


def refusals(kind: type[Struct], environ: Mapping[str, str], scope: str = "") -> list[str]:
    """Return all that :func:`read` would refuse, one after the other.

    Args:
        kind: The struct.
        environ: The environment.
        scope: As for :func:`read`.
    """
    given = _given(kind, environ, scope)
    found = []
    while True:
        try:
            msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as err:
            fields, told = _refusal(kind, given, scope, err)
            found.append(told)
            blamed = [field for field in fields if field in given]
            if blamed:
                # Without what is known to be wrong the rest can be looked at.
                given = {field: given[field] for field in given if field not in blamed}
                continue
        return found


def _given(kind: type[Struct], environ: Mapping[str, str], scope: str) -> dict[str, Any]:
    named = {field: environ.get(variable(field, scope)) for field in kind.__struct_fields__}
    return {field: value for field, value in named.items() if value is not None}


def _refusal(
    kind: type[Struct], given: Mapping[str, Any], scope: str, err: msgspec.ValidationError
) -> tuple[list[str], str]:
    """Return the fields that an error is about, and the sentence for people."""
    reason, _, place = str(err).partition(" - at `$.")
    field = place.rstrip("`")
    # What concerns several names them in its reason: no other value is shown.
    fields = [field] if field else [f for f in kind.__struct_fields__ if f in reason]
    values = {**{f.name: f.default for f in msgspec.structs.fields(kind)}, **given}
    told = [f"{variable(f, scope)}={shown(f, values[f])!r}" for f in fields if f in values]
    if field in given and reason.startswith(_NOT_OF_ITS_TYPE):
        reason = f"it may be {allowed(kind, field)}"
    return fields, f"{', '.join(told) or PREFIX + scope + '*'}: {reason}"


def shown(field: str, value: object) -> object:
    """Return a setting's value as it may be shown: secrets are hidden."""
    return HIDDEN if value and is_secret(field) else value


def _public(url: str) -> str:
    scheme, slashes, rest = url.rpartition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"


def variable(field: str, scope: str = "") -> str:
    """Return the environment variable of a field."""
    return f"{PREFIX}{scope}{field}".upper()


def check_known(environ: Mapping[str, str], known: Iterable[tuple[type[Struct], str]]) -> None:
    """Refuse variables that no settings struct has.

    Args:
        environ: The environment.
        known: Each settings struct of the system with its scope.

    Raises:
        ConfigError: Names each unknown variable and the nearest known one.
    """
    import difflib  # noqa: PLC0415 - only on the way to an error

    names = {variable(field, scope) for kind, scope in known for field in kind.__struct_fields__}
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in names)
    if not unknown:
        return
    hints = []
    # Without what all of them have in common, or any two would look alike.
    tails = [name.removeprefix(PREFIX) for name in names]
    for name in unknown:
        near = difflib.get_close_matches(name.removeprefix(PREFIX), tails, n=1)
        hints.append(f"{name} (did you mean {PREFIX}{near[0]}?)" if near else name)
    raise ConfigError(f"unknown setting: {', '.join(hints)}")
