"""The page of all metrics, docs/reference/metrics.md: ``python -m voicebus.metrics.catalogue``.

What a metric is, its own help text says; nothing is told twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Final

from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram

from voicebus import channel_metrics
from voicebus.metrics import bus, conversation, edge, llm, stt, supervisor, tts, turn, work

LABELS: Final = {
    "bot": "a bot's number at Telegram, of the file of bots",
    "cell": "a cell, as the settings name it",
    "code": "an error's stable name, of voicebus/errors.py",
    "direction": "`up` from the caller, `down` to the caller",
    "edge": "kind of the edge: `websocket`, `realtime`, `telephony`, `telegram` …",
    "engine": "the adapter of a library (`faster-whisper`, `piper` …), or a provider",
    "how": "a word of the help text",
    "kind": "what it was for: `final`, `partial`, `file`",
    "method": "a method of Telegram's Bot API",
    "model": "a model that the fleet serves",
    "outcome": "a word of the help text",
    "part": "a part of `voicebus up`",
    "protocol": "a telephone protocol of reference/telephony.md",
    "provider": "a provider of language models, as its file names it; the adapter without a file",
    "reason": "a word of the help text, or how a session ended",
    "role": "`stt`, `turn`, `llm`, `tts`, `tool`",
    "route": "a path of the API, as its description has it",
    "server": "a server of functions, as the file of the tool workers names it",
    "site": "a key of the file of sites",
    "stage": "`hold`, `stt`, `turn`, `llm`, `tts`, `edge`, `bus`",
    "state": "a word of the help text",
    "status": "an HTTP status",
    "stream": "a stream of the table of subjects",
    "version": "the version of voicebus",
}
"""What each label may be. A value that callers choose is none: each is a series for ever."""

_DOMAINS: Final[tuple[tuple[str, str, ModuleType], ...]] = (
    ("Every process", "", bus),
    ("Every worker", "", work),
    ("Speech to text", "", stt),
    ("Turn-taking", "", turn),
    ("Language model", "", llm),
    ("Text to speech", "", tts),
    ("Edges and bridges", "", edge),
    ("Conversations", "", conversation),
    ("Supervisor", "", supervisor),
    ("Telephony", "TELEPHONY_", channel_metrics),
    ("Widget", "WIDGET_", channel_metrics),
    ("Telegram", "TELEGRAM_", channel_metrics),
)

_HEAD: Final = """# Metrics

Each process serves its own at `/metrics` (`VOICEBUS_METRICS_PORT`), in Prometheus' text format, or
as OpenMetrics for who asks for it. There the histograms of what callers wait for carry exemplars:
the `trace_id` of a turn, where [tracing](../observing.md) is on; the wait for silence has that of
the turn that was stopped.

This page is generated from the code: `make docs`.
"""


class Entry(Struct, frozen=True):
    """One metric.

    Fields
        name: As queries have it.
        kind: ``counter``, ``gauge`` or ``histogram``.
        labels: Names of its labels.
        meaning: What it measures.
        borders: Upper borders of a histogram's buckets, without the last one.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    borders: tuple[float, ...] = ()


def entries() -> dict[str, list[Entry]]:
    """Return every metric of the system by its domain."""
    return {
        title: [
            _entry(value)
            for name, value in vars(module).items()
            if isinstance(value, Counter | Gauge | Histogram) and name.startswith(prefix)
        ]
        for title, prefix, module in _DOMAINS
    }


def _entry(metric: Counter | Gauge | Histogram) -> Entry:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    borders = tuple(metric._upper_bounds[:-1]) if isinstance(metric, Histogram) else ()
    return Entry(name, family.type, tuple(metric._labelnames), family.documentation, borders)


def render() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for title, found in entries().items():
        yield f"## {title}\n"
        yield "| metric | type | labels | meaning |\n|---|---|---|---|"
        for entry in found:
            labels = ", ".join(entry.labels)
            yield f"| `{entry.name}` | {entry.kind} | {labels} | {entry.meaning} |"
        yield ""
    yield "## Labels\n"
    yield "| label | what it may be |\n|---|---|"
    yield from (f"| {label} | {meaning} |" for label, meaning in LABELS.items())
    yield "\n## Buckets\n"
    yield "| upper borders | histograms |\n|---|---|"
    shared: dict[tuple[float, ...], list[str]] = {}
    for entry in (entry for found in entries().values() for entry in found if entry.borders):
        shared.setdefault(entry.borders, []).append(f"`{entry.name}`")
    for borders, names in shared.items():
        yield f"| {' '.join(f'{border:g}' for border in borders)} | {', '.join(names)} |"


if __name__ == "__main__":
    sys.stdout.write(render())
