"""Every error that voicebus raises on purpose.

::

    VoicebusError
    ├── ConfigError              a setting is wrong, unknown or missing
    ├── CodecError               bytes on the bus are not a message that we know
    ├── BusError                 the bus could not do what was asked
    │   ├── BusUnavailable       no server answers, or the connection is gone
    │   ├── BusTimeout           the server did not answer in time
    │   ├── NoWorker             nobody took a session or a turn in time
    │   ├── Busy                 all who could serve a session have their hands full
    │   ├── StorageFull          JetStream refused to store (limits or disk)
    │   ├── WriteInFlight        an earlier write of the same claim is not settled yet
    │   └── Fenced               another worker owns this session now
    ├── ModelError               a model file is missing, corrupt or cannot be fetched
    ├── AudioError               audio that a client sent cannot be used
    │   ├── UnsupportedAudio     not an audio format that we accept
    │   ├── CorruptAudio         the format is known but the bytes do not decode
    │   ├── AudioTooLong         more decoded seconds than the limit
    │   └── AudioGap             more of it is missing than can be lost
    ├── ProtocolError            a client broke the rules of an edge's protocol
    │   ├── SessionExpired       the session that it wants to go on with is over, or is not its own
    │   ├── ConversationUnknown  there is no such conversation, or it is not its own
    │   ├── PersonaUnknown       there is no such persona, or it cannot be used
    │   ├── LinkRefused          a link code was never made, is used or too old
    │   ├── AccessDenied         it may not come in: no key, a wrong one, or a foreign page
    │   └── LimitReached         it asks for more than its share
    └── EngineError              an engine (STT, LLM, TTS) could not do its work
        ├── EngineUnavailable    it refuses, is not reachable or not loaded
        ├── EngineTimeout        it hangs
        ├── EngineOverloaded     it asks to come back later (HTTP 429, 503)
        ├── Poisoned             the request has killed or failed too many workers
        ├── UnknownVoice         the model or voice asked for does not exist
        ├── UnknownModel         the language model asked for does not exist
        └── RequestRefused       it does not take such a request
            └── ContextTooLong   there is more to read than it can

Each class has a ``code`` (stable, for machines) and says whether the same request may succeed later
(``retryable``); both travel unchanged in :class:`schemas.failure.Failure`. ``retry_after_s`` says
when it makes sense to try again, where that is known.
"""

from __future__ import annotations

from typing import ClassVar


class VoicebusError(Exception):
    """Root of the tree. ``str(error)`` is a sentence that may be shown to the one who caused it."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    retry_after_s: float = 0.0


class ConfigError(VoicebusError):
    """Raised at start-up when a setting is wrong, unknown or missing."""

    code = "config"


class CodecError(VoicebusError):
    """Raised when bytes do not decode to a message of the catalog."""

    code = "codec"


class BusError(VoicebusError):
    """Raised when the bus could not do what was asked."""

    code = "bus"
    retryable = True


class BusUnavailable(BusError):
    """Raised when no server answers or the connection is lost."""

    code = "bus_unavailable"


class BusTimeout(BusError):
    """Raised when the server did not answer within the deadline."""

    code = "bus_timeout"


class NoWorker(BusError):
    """Raised when no worker took a session or a turn in time."""

    code = "no_worker"


class Busy(BusError):
    """Raised when nobody has a place free for one more session."""

    code = "busy"

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StorageFull(BusError):
    """Raised when JetStream refuses to store: a stream's limit or the disk is full."""

    code = "storage_full"


class WriteInFlight(BusError):
    """Raised when a cluster has not settled an earlier write of the same claim: try again."""

    code = "write_in_flight"


class Fenced(BusError):
    """Raised when a write carries an epoch that is no longer the session's: stop at once."""

    code = "fenced"
    retryable = False


class ModelError(VoicebusError):
    """Raised when a model file is missing, corrupt, or no source has it."""

    code = "model"


class AudioError(VoicebusError):
    """Raised when audio that a client sent cannot be used."""

    code = "audio"


class UnsupportedAudio(AudioError):
    """Raised when the bytes are of no container or codec that we accept."""

    code = "audio_unsupported"


class CorruptAudio(AudioError):
    """Raised when the container is known but its bytes do not decode."""

    code = "audio_corrupt"


class AudioTooLong(AudioError):
    """Raised when decoding passes the limit of seconds."""

    code = "audio_too_long"


class AudioGap(AudioError):
    """Raised when more of a session's audio is missing than can be lost."""

    code = "audio_gap"


class ProtocolError(VoicebusError):
    """Raised when a client breaks the rules of an edge's protocol.

    ``reason`` refines the code: ``invalid_json``, ``unknown_type``, ``message_too_large`` …
    """

    code = "protocol"

    def __init__(self, message: str, reason: str = "protocol") -> None:
        super().__init__(message)
        self.reason = reason


class SessionExpired(ProtocolError):
    """Raised when a client wants to go on with a session that is over, or is not its own.

    Which of the two it is is not said: who has no right to a session learns nothing of it.
    """

    code = "session_expired"

    def __init__(self, message: str = "this session is over, or not here; begin anew") -> None:
        super().__init__(message, "session_expired")


class ConversationUnknown(ProtocolError):
    """Raised when a session wants to join a conversation that is not there, or not its owner's.

    Which of the two it is is not said, as with :class:`SessionExpired`.
    """

    code = "conversation_unknown"

    def __init__(self, message: str = "there is no such conversation, or it is not yours") -> None:
        super().__init__(message, "conversation_unknown")


class PersonaUnknown(ProtocolError):
    """Raised when a session asks for a persona that is not there, or that was never without error.

    What is wrong with it is for its author, in the log.
    """

    code = "persona_unknown"

    def __init__(self, message: str) -> None:
        super().__init__(message, "persona_unknown")


class LinkRefused(ProtocolError):
    """Raised when a link code was never made, is used or too old; which of these is not said."""

    code = "link_refused"

    def __init__(self, message: str = "this code is not good, or not any more") -> None:
        super().__init__(message, "link_refused")


class AccessDenied(ProtocolError):
    """Raised when a client may not come in.

    ``reason`` is ``key_missing``, ``key_unknown``, ``key_revoked``, ``origin_forbidden`` or
    ``site_unknown``.
    """

    code = "access_denied"


class LimitReached(ProtocolError):
    """Raised when a client asks for more than its share; ``reason`` names which one."""

    code = "limit_reached"
    retryable = True

    def __init__(
        self, message: str, reason: str = "limit_reached", retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message, reason)
        self.retry_after_s = retry_after_s


class EngineError(VoicebusError):
    """Raised when an engine could not do its work."""

    code = "engine"


class EngineUnavailable(EngineError):
    """Raised when an engine refuses, cannot be reached, or is not loaded."""

    code = "engine_unavailable"
    retryable = True


class EngineTimeout(EngineError):
    """Raised when an engine gives no sign of life within its deadline."""

    code = "engine_timeout"
    retryable = True


class EngineOverloaded(EngineError):
    """Raised when an engine asks its callers to come back later."""

    code = "engine_overloaded"
    retryable = True


class Poisoned(EngineError):
    """Raised when a request has killed or failed too many workers: no other is to try."""

    code = "poisoned"


class UnknownVoice(EngineError):
    """Raised when the model or voice asked for does not exist."""

    code = "unknown_voice"


class UnknownModel(EngineError):
    """Raised when the language model (or its adapter) asked for does not exist."""

    code = "unknown_model"


class RequestRefused(EngineError):
    """Raised when an engine understands a request and does not take it."""

    code = "request_refused"


class ContextTooLong(RequestRefused):
    """Raised when a conversation is longer than the model can read."""

    code = "context_too_long"
