"""The page of the chart's values, written from values.yaml and its comments.

python -m deploy.chart_page > docs/reference/chart.md
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

CHART: Final = Path(__file__).parent / "helm" / "voicebus"

_LINE: Final = re.compile(
    r"^(?P<indent> *)(?P<key>\w+):(?P<value>.*?)(?:(?:^|\s+)# (?P<said>.*))?$"
)
_COMMENT: Final = re.compile(r"^ *# ?(?P<said>.*)$")
_NOTHING: Final = ('""', "{}", "[]", "")

_HEAD: Final = """\
# Values of the chart

What `helm install voicebus deploy/helm/voicebus --set NAME=VALUE` may set.
A name or a value that is none is refused before anything reaches the cluster (values.schema.json).
[howto/deploy.md](../howto/deploy.md#a-cluster) says what to set for what.
This page is made of the comments in deploy/helm/voicebus/values.yaml by `make docs`.
"""


class Value(Struct, frozen=True):
    """One line of values.yaml.

    Fields
        path: Its keys, from the outermost on.
        default: What stands there; empty for nothing, and for what has values below it.
        said: Its comment.
        is_leaf: Whether nothing stands below it.
    """

    path: tuple[str, ...]
    default: str
    said: str
    is_leaf: bool


def values(text: str) -> Iterator[Value]:
    """Yield what stands in values.yaml, in its order.

    Args:
        text: The file: one value a line, each with its comment above it or behind it.
    """
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            above.append(comment["said"])
        elif found := _LINE.match(line):
            indent, default = len(found["indent"]), found["value"].strip()
            path = [
                *((depth, key) for depth, key in path if depth < indent),
                (indent, found["key"]),
            ]
            said = " ".join((*above, *filter(None, [found["said"]])))
            shown = "" if default in _NOTHING else default
            yield Value(tuple(key for _, key in path), shown, _sentence(said), default != "")
            above = []
        else:
            above = []


def allowed(schema: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """Return what a value may be, as values.schema.json has it."""
    for key in path:
        known = schema.get("properties", {})
        schema = known[key] if key in known else schema["additionalProperties"]
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kinds = schema.get("type", "")
    return ", ".join(kinds) if isinstance(kinds, list) else str(kinds)


def render() -> str:
    """Return the page. What is said of one role's value is said of other roles' as well."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    lines = [_HEAD.rstrip("\n")]
    of_roles: dict[str, str] = {}
    for value in values((CHART / "values.yaml").read_text(encoding="utf-8")):
        if len(value.path) == 1:
            lines.append(f"\n## {value.path[0]}\n\n{value.said}\n")
            lines.append("| value | may be | default | meaning |\n|---|---|---|---|")
            continue
        said = value.said
        if value.path[0] == "roles" and value.is_leaf:
            said = said or of_roles.get(value.path[-1], "")
            of_roles.setdefault(value.path[-1], said)
        cells = (
            f"`{'.'.join(value.path)}`",
            allowed(schema, value.path) if value.is_leaf else "",
            f"`{value.default}`" if value.default else "",
            said,
        )
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _sentence(said: str) -> str:
    said = said.strip()
    return f"{said[0].upper()}{said[1:]}{'' if said[-1] in '.:' else '.'}" if said else ""


if __name__ == "__main__":
    sys.stdout.write(render())
