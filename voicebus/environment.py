"""What an environment says to the processes, and what is wrong with it, all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from voicebus import known, settings
from voicebus.errors import ConfigError
from voicebus.redaction import Mask

Kinds = Iterable[tuple[type[Struct], str]]
"""Settings structs with their scopes."""

_NAMED: Final = {"edge": "EDGE_NAME", "telephony": "TELEPHONY_NAME", "telegram": "TELEGRAM_NAME"}
"""Processes whose user on the bus is for one name."""

_FOLLOWED: Final = {"keys_file", "sites_file"}
"""An edge waits for these: they come with the first key, and with the first site."""


class Shown(Struct, frozen=True):
    """A setting that is in force.

    Fields
        name: The environment variable.
        value: As it may be shown: secrets are hidden.
        is_given: Whether it stands in the environment; else it is the default.
    """

    name: str
    value: str
    is_given: bool


def problems(environ: Mapping[str, str], process: str = "") -> list[str]:
    """Return a sentence for all that is wrong with an environment.

    Args:
        environ: The environment.
        process: The one that is to read it; empty for all of them.
    """
    return list(_problems(environ, process))


def _problems(environ: Mapping[str, str], process: str) -> Iterator[str]:
    yield from _unknown(environ)
    kinds = known.settings_of(process) if process else known.every_setting()
    for kind, scope in kinds:
        yield from settings.refusals(kind, environ, scope)
        yield from _wrong_files(kind, environ, scope)
    if process in _NAMED and environ.get(f"{settings.PREFIX}NATS_NKEY_FILE"):
        name = f"{settings.PREFIX}{_NAMED[process]}"
        if not environ.get(name):
            yield f"{name} is missing: the name that the key in NATS_NKEY_FILE was made for"


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environ):
        try:
            settings.check_known({name: ""}, known.every_setting())
        except ConfigError as err:
            yield str(err)


def _wrong_files(kind: type[Struct], environ: Mapping[str, str], scope: str) -> Iterator[str]:
    for field in kind.__struct_fields__:
        variable = settings.variable(field, scope)
        path = environ.get(variable, "")
        if not field.endswith("_file") or not path:
            continue
        is_there = Path(path).expanduser().exists()
        if field in _FOLLOWED and not is_there:
            continue
        if not os.access(Path(path).expanduser(), os.R_OK):
            what = "may not be read by this user" if is_there else "there is no such file"
            yield f"{variable}={path!r}: {what}"
        elif (read := known.reader(scope, field)) is not None:
            # What is wrong with the settings beside it is told already.
            with suppress(ConfigError):
                given = settings.read(kind, environ, scope)
                yield from _misread(variable, read, given)


def _misread(variable: str, read: Callable[[Struct], object], given: Struct) -> Iterator[str]:
    try:
        read(given)
    except (ConfigError, OSError) as err:
        yield f"{variable}: {err}"


def in_force(environ: Mapping[str, str], process: str = "") -> list[Shown]:
    """Return every setting with its value.

    Args:
        environ: The environment.
        process: The one that is to read it; empty for all of them.

    Raises:
        ConfigError: A value does not fit; see :func:`problems`.
    """
    mask = Mask(())
    kinds = known.settings_of(process) if process else known.every_setting()
    return [
        Shown(name, mask.text(written(settings.shown(field, value))), name in environ)
        for kind, scope in kinds
        for field, value in msgspec.structs.asdict(settings.read(kind, environ, scope)).items()
        for name in [settings.variable(field, scope)]
    ]


def written(value: object) -> str:
    """Return a value as it is written into the environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)
