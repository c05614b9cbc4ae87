"""What the caller says: as the client is told of it, and as items of the conversation. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from edge.openai.realtime import told
from edge.openai.realtime.answering import Answering, Orders
from edge.openai.realtime.asking import wanted_of
from edge.openai.realtime.heard import (
    Committed,
    Drafted,
    Heard,
    NotTranscribed,
    Resumed,
    SpeechBegan,
    SpeechEnded,
    Transcribed,
    Understood,
)
from edge.openai.realtime.hearing import Hearing
from edge.openai.realtime.items import Content, Conversation, Item
from edge.openai.realtime.session import Session
from edge.openai.realtime.sound import InputBuffer
from schemas.audio import CALLER_RATE_HZ, AudioChunk, AudioEnded
from schemas.event import Event
from schemas.failure import Failure
from schemas.stt import (
    AudioConsumed,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)

_CHUNK_BYTES: Final = CALLER_RATE_HZ // 5 * 2
"""Longest piece of audio in one message."""


class Caller:
    """The state of one session's caller.

    Args:
        session: How the session is at first.
        conversation: Where what is said goes.
        answering: Is interrupted, and waits for words.
        hearing: From recogniser to items.
        buffer: From the client's audio to the bus's.

    Attributes:
        is_owed_an_answer: Whether the caller has finished and is to be answered.
    """

    def __init__(
        self,
        session: Session,
        conversation: Conversation,
        answering: Answering,
        hearing: Hearing,
        buffer: InputBuffer,
    ) -> None:
        self._conversation = conversation
        self._answering = answering
        self._hearing = hearing
        self._buffer = buffer
        self._to_answer: set[str] = set()
        self._session = session
        self._heard_as: Session | None = None
        self._hearing.detects = session.audio.input.turn_detection is not None
        self.is_owed_an_answer = False
        self._events: Final[dict[type[Event], Callable[..., list[Heard]]]] = {
            SpeechStarted: hearing.started,
            TranscriptPartial: hearing.partial,
            TranscriptDraft: hearing.drafted,
            SpeechResumed: hearing.resumed,
            TranscriptFinal: hearing.final,
            AudioConsumed: hearing.consumed,
        }

    @property
    def is_waiting(self) -> bool:
        """Whether words of what was committed are still to come."""
        return self._hearing.is_waiting

    def effective(self, session: Session) -> Session:
        """Return what can be had of a session: how the recogniser hears is settled with audio."""
        return session if self._heard_as is None else session.heard_as(self._heard_as)

    def change(self, session: Session) -> Orders:
        """The session is another from here on."""
        self._session = session
        self._hearing.detects = session.audio.input.turn_detection is not None
        return self._audio(self._buffer.switch(session.audio.input.format))

    def append(self, data: bytes) -> Orders:
        """Take audio, in the session's input format."""
        return self._audio(self._buffer.push(data))

    def prompt(self, start_ms: int, end_ms: int) -> Orders:
        """The caller has been silent for too long: that is an item, too, and is answered."""
        item_id = self._hearing.silence()
        triggered = {
            "type": "input_audio_buffer.timeout_triggered",
            "audio_start_ms": start_ms,
            "audio_end_ms": end_ms,
            "item_id": item_id,
        }
        self.is_owed_an_answer = True
        said = Transcribed(item_id, "", (end_ms - start_ms) / 1000)
        return [triggered, *self._on_heard([Committed(item_id, by_pause=False), said])]

    def commit(self) -> Orders:
        """What was appended is what the user said.

        Raises:
            BadEvent: There is too little of it.
        """
        heard = self._hearing.commit()
        dropped = self._answering.drop_draft()
        return [*dropped, *self._end_audio(), *self._on_heard(heard)]

    def clear(self) -> Orders:
        """What was appended is not meant."""
        heard: list[Heard] = []
        ended: Orders = self._answering.drop_draft()
        if self._buffer.fresh_ms:
            heard = self._hearing.clear()
            ended += self._end_audio()
        return [*ended, *self._on_heard(heard), {"type": "input_audio_buffer.cleared"}]

    def give_up_words(self) -> Orders:
        """Words that are due did not come in time."""
        return self._on_heard(self._hearing.give_up())

    def take(self, event: Event) -> Orders | None:
        """Take what the recogniser says; None for what is not about the caller."""
        if step := self._events.get(type(event)):
            return self._on_heard(step(event))
        if not isinstance(event, Failure) or event.stage != "stt" or event.turn:
            return None
        was_waiting = self._hearing.is_waiting
        heard = self._hearing.failed(event)
        if heard or was_waiting:
            return self._on_heard(heard)
        return [told.error("server_error", event.code, event.message)]

    def _audio(self, pcm: bytes) -> Orders:
        if pcm and self._heard_as is None:
            self._heard_as = self._session
        offset = self._buffer.end - len(pcm) // 2
        return [
            AudioChunk(pcm=pcm[first : first + _CHUNK_BYTES], offset=offset + first // 2)
            for first in range(0, len(pcm), _CHUNK_BYTES)
        ]

    def _end_audio(self) -> Orders:
        rest = self._audio(self._buffer.flush())
        self._hearing.close(self._buffer.end)
        return [*rest, AudioEnded(offset=self._buffer.end)]

    def _on_heard(self, heard: list[Heard]) -> Orders:
        return [order for each in heard for order in self._STEPS[type(each)](self, each)]

    def _on_drafted(self, draft: Drafted) -> Orders:
        if not self._session.answers_by_itself or self.is_owed_an_answer:
            return []
        wanted = wanted_of(self._session, None, self._conversation)
        return self._answering.draft(wanted, _spoken_item(draft.item_id, draft.text))

    def _on_began(self, speech: SpeechBegan) -> Orders:
        started: Orders = [
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": speech.start_ms,
                "item_id": speech.item_id,
            }
        ]
        if not self._session.is_interruptible:
            return started
        self.is_owed_an_answer = False
        return [*started, *self._answering.interrupt()]

    def _on_ended(self, speech: SpeechEnded) -> Orders:
        return [
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": speech.end_ms,
                "item_id": speech.item_id,
            }
        ]

    def _on_committed(self, committed: Committed) -> Orders:
        if committed.by_pause:
            self._to_answer.add(committed.item_id)
        item = _spoken_item(committed.item_id, None)
        before = self._conversation.add(item)
        return [
            {
                "type": "input_audio_buffer.committed",
                "item_id": committed.item_id,
                "previous_item_id": before,
            },
            *told.added(item, before),
        ]

    def _on_understood(self, words: Understood) -> Orders:
        if self._session.audio.input.transcription is None:
            return []
        return [told.transcription("delta", words.item_id, delta=words.delta)]

    def _on_transcribed(self, words: Transcribed) -> Orders:
        if self._conversation.has(words.item_id):
            self._conversation.change(_spoken_item(words.item_id, words.text))
        orders: Orders = []
        if self._session.audio.input.transcription is not None:
            usage = {"type": "duration", "seconds": words.seconds}
            orders.append(
                told.transcription("completed", words.item_id, transcript=words.text, usage=usage)
            )
        is_to_answer = words.item_id in self._to_answer and bool(words.text)
        self._to_answer.discard(words.item_id)
        if is_to_answer and self._session.answers_by_itself:
            self.is_owed_an_answer = True
        else:
            orders += self._answering.drop_draft()
        return [*orders, *self._answering.words_known()]

    def _on_not_transcribed(self, words: NotTranscribed) -> Orders:
        self._to_answer.discard(words.item_id)
        dropped = self._answering.drop_draft()
        error = told.error("server_error", words.failure.code, words.failure.message)
        if self._session.audio.input.transcription is not None:
            error = told.transcription("failed", words.item_id, error=error["error"])
        return [error, *dropped, *self._answering.words_missing(words.failure)]

    # By class, not by object: see :attr:`edge.openai.realtime.machine.Realtime.STEPS`.
    _STEPS: ClassVar[dict[type[Heard], Callable[[Caller, Any], Orders]]] = {
        Drafted: _on_drafted,
        Resumed: lambda self, _: self._answering.drop_draft(),
        SpeechBegan: _on_began,
        SpeechEnded: _on_ended,
        Committed: _on_committed,
        Understood: _on_understood,
        Transcribed: _on_transcribed,
        NotTranscribed: _on_not_transcribed,
    }


def _spoken_item(item_id: str, words: str | None) -> Item:
    said = Content(type="input_audio", transcript=words)
    return Item(id=item_id, type="message", role="user", content=(said,))
