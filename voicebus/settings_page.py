"""The page of all settings, written from the structs that hold them.

python -m voicebus.settings_page > docs/reference/settings.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

from voicebus import known, settings
from voicebus.allowed import allowed
from voicebus.environment import written
from voicebus.other_settings import OTHERS, Group

_FIELD: Final = re.compile(r"^    (?P<name>\w+): (?P<text>.+(?:\n     +\S.*)*)", re.MULTILINE)

_HEAD: Final = """\
# Settings

Every setting is an environment variable, read once when a process starts.
A name that nobody knows, or a value that does not fit, ends the process with code 2 and a line
that says which.

    voicebus config check                       # everything that is wrong with this environment
    voicebus config check stt --env-file .env   # ... with this file, for the STT worker
    voicebus config show --given                # what is set, without secrets

`.env.example` has all of them as a file to start from: copy it to `.env`, and change what you need.
Nothing reads that file by itself. A shell loads it with this line, before `make run`; systemd
(`EnvironmentFile=`) and compose (`env_file:`) take it as it is.

    set -a; . ./.env; set +a

At the end are the variables that others read: libraries, compose and Grafana.
This page is written by `make docs`.
"""


def render() -> str:
    """Return the page."""
    ours = (_section(kind, scope) for kind, scope in known.every_setting())
    return "\n".join((_HEAD, *ours, *map(_others, OTHERS)))


def meanings(kind: type[Struct]) -> dict[str, str]:
    """Return what each field of a settings struct means, by its docstring."""
    _, _, fields = inspect.cleandoc(kind.__doc__ or "").partition("\nFields\n")
    return {
        found["name"]: re.sub(r"\s+", " ", found["text"]).replace("``", "`")
        for found in _FIELD.finditer(fields)
    }


def _section(kind: type[Struct], scope: str) -> str:
    summary = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
    rows = "\n".join(_rows(kind, scope))
    title = f"`{settings.PREFIX}{scope}…`" if scope else kind.__name__.removesuffix("Settings")
    return (
        f"## {title}\n\n{summary.replace('``', '`')}\n{_read_by(scope)}\n\n"
        f"| variable | may be | default | meaning |\n|---|---|---|---|\n{rows}\n"
    )


def _others(group: Group) -> str:
    rows = "\n".join(
        f"| `{one.name}` | {f'`{one.default}`' if one.default else ''} | {one.meaning} |"
        for one in group.variables
    )
    return (
        f"## {group.title}\n\n{group.about}\n\n"
        f"| variable | default | meaning |\n|---|---|---|\n{rows}\n"
    )


def _read_by(scope: str) -> str:
    who = known.readers(scope)
    if not who:
        return "Read by commands."
    return "Read by every process." if who == known.PROCESSES else f"Read by {', '.join(who)}."


def _rows(kind: type[Struct], scope: str) -> Iterator[str]:
    said = meanings(kind)
    for field in msgspec.structs.fields(kind):
        default = written(field.default)
        cells = (
            f"`{settings.variable(field.name, scope)}`",
            allowed(kind, field.name),
            f"`{default}`" if default else "",
            said[field.name],
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(render())
