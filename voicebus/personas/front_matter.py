"""The head of a Markdown file: YAML between two lines of ``---``, with the line of each value.

Every value is read as text, and what it has to be says the struct that it goes into: ``no`` is a
language, not a falsehood.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

from voicebus.errors import ConfigError

_FENCE: Final = "---"
_MOST_VALUES: Final = 2_000
"""A head that names its own parts again and again would grow without end."""

Tree = dict[str, Any]


class Document(Struct, frozen=True):
    """A file, taken apart.

    Fields
        head: What its head says; all values are texts, lists and objects of texts.
        lines: The line of each value, by its path: ``end_of_turn.policy``, ``tools.0``.
        body: What follows the head.
    """

    head: Tree
    lines: dict[str, int]
    body: str

    def line_of(self, path: str) -> int:
        """Return the line of a value, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


def read_document(text: str, where: str) -> Document:
    """Take a file apart. One without a head is all body.

    Args:
        text: The file.
        where: How it is called in errors.

    Raises:
        ConfigError: Its head does not end or is no YAML; names the line.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return Document({}, {}, "\n".join(lines).strip())
    rest = (number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE)
    end = next(rest, 0)
    if not end:
        raise ConfigError(f"{where}:1: the head begins with --- and no second --- ends it")
    body = "\n".join(lines[end + 1 :]).strip()
    # The first line is a line of the document as well: so the numbers are those of the file.
    node = _composed("\n".join(["", *lines[1:end]]), where)
    if node is None:
        return Document({}, {}, body)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{where}:{_line(node)}: expected `name: value`")
    places: dict[str, int] = {}
    try:
        return Document(dict(_values(node, "", places, where)), places, body)
    except RecursionError as err:  # an alias may stand within what it stands for
        raise ConfigError(f"{where}:{_line(node)}: the head goes round in a circle") from err


def _composed(text: str, where: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ConfigError(f"{where}:{line}: {err.problem or err.context or 'no YAML'}") from err
    except (yaml.YAMLError, RecursionError) as err:
        raise ConfigError(f"{where}:1: the head is no YAML: {err}") from err


def _values(
    node: yaml.MappingNode, before: str, places: dict[str, int], where: str
) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{where}:{_line(key)}: a name must be a word")
        if key.value in seen:
            raise ConfigError(f"{where}:{_line(key)}: `{before}{key.value}` stands here twice")
        seen.add(key.value)
        path = f"{before}{key.value}"
        places[path] = _line(key)
        yield key.value, _value(value, path, places, where)


def _value(node: yaml.Node, path: str, places: dict[str, int], where: str) -> Any:
    if len(places) > _MOST_VALUES:
        raise ConfigError(f"{where}:{_line(node)}: the head has more than {_MOST_VALUES} values")
    if isinstance(node, yaml.MappingNode):
        return dict(_values(node, f"{path}.", places, where))
    if isinstance(node, yaml.SequenceNode):
        listed = []
        for number, item in enumerate(node.value):
            place = f"{path}.{number}"
            places[place] = _line(item)
            listed.append(_value(item, place, places, where))
        return listed
    return node.value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
