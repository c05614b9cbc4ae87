"""All settings of the system, by name: the core may not import the parts that have them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from msgspec import Struct

_ALL: Final = (
    ("voicebus.settings", "BusSettings", ""),
    ("voicebus.settings", "ProcessSettings", ""),
    ("voicebus.settings", "ModelSettings", ""),
    ("voicebus.supervisor", "UpSettings", "UP_"),
    ("voicebus.nats_exporter", "NatsExporterSettings", "NATS_EXPORTER_"),
    ("voicebus.failover.settings", "SupervisorSettings", "SUPERVISOR_"),
    ("voicebus.scaling", "Policy", "AUTOSCALE_"),
    ("voicebus.scaling", "AutoscaleSettings", "AUTOSCALE_"),
    ("voicebus.settings", "TalkSettings", "TALK_"),
    ("voicebus.tracing.settings", "TracingSettings", "TRACING_"),
    ("services.stt.settings", "SttSettings", "STT_"),
    ("services.turn.settings", "TurnSettings", "TURN_"),
    ("services.llm.settings", "LlmSettings", "LLM_"),
    ("services.tts.settings", "TtsSettings", "TTS_"),
    ("services.tool.settings", "ToolSettings", "TOOL_"),
    ("edge.settings", "EdgeSettings", "EDGE_"),
    ("edge.openai.settings", "OpenAISettings", "EDGE_OPENAI_"),
    ("bridges.telegram.settings", "TelegramSettings", "TELEGRAM_"),
    ("edge.telephony.settings", "TelephonySettings", "TELEPHONY_"),
    ("edge.widget.settings", "WidgetSettings", "EDGE_WIDGET_"),
)

_EVERY_PROCESS: Final = ("",)
_READ_BY: Final = {
    "stt": ("STT_",),
    "turn": ("TURN_",),
    "llm": ("LLM_",),
    "tts": ("TTS_",),
    "tool": ("TOOL_",),
    "edge": ("EDGE_", "EDGE_OPENAI_", "EDGE_WIDGET_"),
    "telephony": ("TELEPHONY_",),
    "telegram": ("TELEGRAM_",),
    "supervisor": ("SUPERVISOR_",),
    "nats-exporter": ("NATS_EXPORTER_",),
    "autoscale": ("AUTOSCALE_", "UP_"),
    "up": ("UP_",),
}
"""The scopes that a process reads, besides those without a scope, which every one reads."""

_FILES: Final = {
    ("LLM_", "providers_file"): ("services.llm.providers_file", "named_by"),
    ("TOOL_", "servers_file"): ("services.tool.settings", "read_servers"),
    ("TELEGRAM_", "bots_file"): ("bridges.telegram.bots", "configured"),
    ("EDGE_", "keys_file"): ("edge.keys", "named_by"),
    ("EDGE_WIDGET_", "sites_file"): ("edge.widget.sites", "named_by"),
}
"""Who reads the file that a setting names: a function of the settings, which says what is wrong."""

PROCESSES: Final = tuple(_READ_BY)
"""The processes of a system."""


def every_setting() -> tuple[tuple[type[Struct], str], ...]:
    """Return each settings struct with its scope."""
    return tuple((getattr(import_module(module), name), scope) for module, name, scope in _ALL)


def settings_of(process: str) -> tuple[tuple[type[Struct], str], ...]:
    """Return each settings struct that a process reads, with its scope.

    Args:
        process: One of :data:`PROCESSES`.
    """
    scopes = (*_EVERY_PROCESS, *_READ_BY[process])
    return tuple((kind, scope) for kind, scope in every_setting() if scope in scopes)


def readers(scope: str) -> tuple[str, ...]:
    """Return the processes that read the settings of a scope; none: commands do."""
    return tuple(process for process, own in _READ_BY.items() if scope in (*_EVERY_PROCESS, *own))


def reader(scope: str, field: str) -> Callable[[Any], object] | None:
    """Return what reads the file that a setting names; None: libraries of others do.

    Args:
        scope: Of the settings.
        field: Its name there.
    """
    if (scope, field) not in _FILES:
        return None
    module, name = _FILES[scope, field]
    found: Callable[[Any], object] = getattr(import_module(module), name)
    return found
