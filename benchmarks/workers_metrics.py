"""What the workers count about their own work, read from their metrics pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

_PAGES: Final = ("turn", "llm", "tts")
_COUNTED: Final[Mapping[str, str]] = {
    "voicebus_llm_tokens_total": "llm_tokens",
    "voicebus_llm_wasted_tokens_total": "llm_wasted_tokens",
    "voicebus_tts_audio_seconds_total": "tts_audio_seconds",
    "voicebus_tts_wasted_seconds_total": "tts_wasted_seconds",
    "voicebus_speculations_total": "speculations",
    "voicebus_interruptions_total": "interruptions",
}
_LABELS: Final = ("reason", "outcome")


async def read(client: httpx2.AsyncClient, pages: Mapping[str, str]) -> dict[str, float]:
    """Return the counters of some workers, ``name`` or ``name:label``; none that nobody has."""
    found: dict[str, float] = {}
    for worker in _PAGES:
        if worker in pages:
            answer = await client.get(pages[worker])
            for name, value in counters(answer.text).items():
                found[name] = found.get(name, 0.0) + value
    return found


def counters(page: str) -> dict[str, float]:
    """Return the counters that matter of a metrics page."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            name = _COUNTED.get(sample.name)
            if name is None:
                continue
            label = next((sample.labels[key] for key in _LABELS if key in sample.labels), "")
            key = f"{name}:{label}" if label else name
            found[key] = found.get(key, 0.0) + sample.value
    return found


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Return by how much counters grew; those that did not are left out."""
    changes = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: change for name, change in changes.items() if change}
