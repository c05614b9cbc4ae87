"""All settings of the system, by name: the core may not import the parts that have them."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from msgspec import Struct

_ALL: Final = (
    ("voicebus.settings", "BusSettings", ""),
    ("voicebus.settings", "ProcessSettings", ""),
    ("voicebus.settings", "ModelSettings", ""),
    ("voicebus.supervisor", "UpSettings", "UP_"),
    ("voicebus.failover.settings", "SupervisorSettings", "SUPERVISOR_"),
    ("voicebus.settings", "TalkSettings", "TALK_"),
    ("voicebus.tracing.settings", "TracingSettings", "TRACING_"),
    ("services.stt.settings", "SttSettings", "STT_"),
    ("services.turn.settings", "TurnSettings", "TURN_"),
    ("services.llm.settings", "LlmSettings", "LLM_"),
    ("services.tts.settings", "TtsSettings", "TTS_"),
    ("edge.settings", "EdgeSettings", "EDGE_"),
    ("edge.openai.settings", "OpenAISettings", "EDGE_OPENAI_"),
    ("bridges.telegram.settings", "TelegramSettings", "TELEGRAM_"),
    ("edge.telephony.settings", "TelephonySettings", "TELEPHONY_"),
    ("edge.widget.settings", "WidgetSettings", "EDGE_WIDGET_"),
)


def every_setting() -> tuple[tuple[type[Struct], str], ...]:
    """Return each settings struct with its scope."""
    return tuple((getattr(import_module(module), name), scope) for module, name, scope in _ALL)
