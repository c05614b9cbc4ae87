"""Names of spans and attributes: OpenTelemetry's conventions for generative AI, and our own.

The conventions are still being developed; all of them that are used stand here. No attribute holds
what was said, in words or in sound.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ and, for voice,
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from typing import Final

# Spans -------------------------------------------------------------------------------------------
INVOKE_AGENT: Final = "invoke_agent"
SPEECH_TO_TEXT: Final = "speech_to_text"
CHAT: Final = "chat"
EXECUTE_TOOL: Final = "execute_tool"
TEXT_TO_SPEECH: Final = "text_to_speech"
ENDPOINTING: Final = "endpointing"
RESPONSE: Final = "response"
REQUEST: Final = "request"

OPERATIONS: Final = {
    "stt": SPEECH_TO_TEXT,
    "llm": CHAT,
    "tool": EXECUTE_TOOL,
    "tts": TEXT_TO_SPEECH,
}
"""What the jobs of a role are."""

# Attributes of the conventions -------------------------------------------------------------------
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
CONVERSATION: Final = "gen_ai.conversation.id"
AGENT: Final = "gen_ai.agent.name"
END_REASON: Final = "gen_ai.agent.invocation.end_reason"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL: Final = "gen_ai.tool.call.id"
INPUT_LANGUAGE: Final = "gen_ai.speech.input.language"
VOICE: Final = "gen_ai.speech.voice"
ERROR: Final = "error.type"

# Our own -----------------------------------------------------------------------------------------
TURN: Final = "voicebus.turn"
REVISION: Final = "voicebus.revision"
UTTERANCE: Final = "voicebus.utterance"
PASSAGE: Final = "voicebus.passage"
SERVER: Final = "voicebus.tool.server"
ROUND: Final = "voicebus.tool.round"
CAUSE: Final = "voicebus.endpointing.cause"
HOLD_MS: Final = "voicebus.hold_ms"
COMPUTE_MS: Final = "voicebus.compute_ms"
QUEUE_MS: Final = "voicebus.queue_ms"
ATTEMPT: Final = "voicebus.attempt"
OUTCOME: Final = "voicebus.outcome"
SPECULATED: Final = "voicebus.speculated"
TTFT_MS: Final = "voicebus.ttft_ms"
TTFA_MS: Final = "voicebus.ttfa_ms"
HEARD_MS: Final = "voicebus.heard_ms"
AUDIO_MS: Final = "voicebus.audio_ms"
RESPONSE_MS: Final = "voicebus.response_ms"
STAGE_MS: Final = "voicebus.stage.{}_ms"
"""By the name of a stage of the waterfall."""
