"""Realtime machines that break one rule each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from msgspec.structs import replace

from edge.openai.realtime import client
from edge.openai.realtime.answer import Answer
from edge.openai.realtime.answering import Answering
from edge.openai.realtime.asking import wanted_of
from edge.openai.realtime.hearing import LATE, Hearing
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.sound import InputBuffer

Breaking = Callable[[pytest.MonkeyPatch], None]


def two_at_once(patch: pytest.MonkeyPatch) -> None:
    """Begin a response though there is one."""
    create = Answering.create

    def broken(self: Answering, wanted: Any) -> Any:
        self.active = None
        return create(self, wanted)

    patch.setattr(Answering, "create", broken)


def two_ends(patch: pytest.MonkeyPatch) -> None:
    """Tell the end twice."""
    ended = Answer.ended
    patch.setattr(
        Answer, "ended", lambda self, ending: [*(told := ended(self, ending)), dict(told[-1])]
    )


def no_end(patch: pytest.MonkeyPatch) -> None:
    """Go on with a response that is done."""

    def broken(self: Answering, ending: Any) -> Any:
        return [] if self.active is None else [*self.active.ended(ending)]

    patch.setattr(Answering, "_end", broken)


def left_open(patch: pytest.MonkeyPatch) -> None:
    """Close nothing of a response that is cancelled."""
    ended = Answer.ended

    def broken(self: Answer, ending: Any) -> Any:
        if ending.status == "cancelled":
            self._open.clear()
        return ended(self, ending)

    patch.setattr(Answer, "ended", broken)


def deaf_to_barge_in(patch: pytest.MonkeyPatch) -> None:
    """Let no speech end an answer."""
    patch.setattr(Answering, "interrupt", lambda _: [])


def live_settings(patch: pytest.MonkeyPatch) -> None:
    """Give a response that is being made the settings of now."""
    update = Realtime.STEPS[client.SessionUpdate]

    def broken(self: Realtime, event: client.SessionUpdate) -> Any:
        orders = update(self, event)
        active: Any = self._answering.active
        if active is not None and active.number >= 0:
            active.wanted = wanted_of(self.session, None, self._conversation)
        return orders

    changed: dict[Any, Any] = {**Realtime.STEPS, client.SessionUpdate: broken}
    patch.setattr(Realtime, "STEPS", changed)


def late_settings(patch: pytest.MonkeyPatch) -> None:
    """Ask for a response with the settings of now, once its words are known."""
    update = Realtime.STEPS[client.SessionUpdate]

    def broken(self: Realtime, event: client.SessionUpdate) -> Any:
        orders = update(self, event)
        active: Any = self._answering.active
        if active is not None and active.number < 0:
            now = self.session.instructions  # of which the client is not told with the response
            active.wanted = replace(active.wanted, instructions=now)
        return orders

    changed: dict[Any, Any] = {**Realtime.STEPS, client.SessionUpdate: broken}
    patch.setattr(Realtime, "STEPS", changed)


def lost_audio(patch: pytest.MonkeyPatch) -> None:
    """Lose the last sample of what is appended."""
    push = InputBuffer.push
    patch.setattr(InputBuffer, "push", lambda self, data: push(self, data[:-2]))


def lost_samples(patch: pytest.MonkeyPatch) -> None:
    """Lose what the filter still holds when another format is taken."""

    def broken(self: InputBuffer, wanted: Any) -> bytes:
        if wanted != self._format:
            self._begin(wanted)
        return b""

    patch.setattr(InputBuffer, "switch", broken)


def lost_ends(patch: pytest.MonkeyPatch) -> None:
    """Forget every pause after which nobody answers."""
    ended = Hearing._ended

    def broken(self: Hearing, said: Any, offset: int) -> Any:
        return [] if self._utterance % 2 else ended(self, said, offset)

    patch.setattr(Hearing, "_ended", broken)


def endless_words(patch: pytest.MonkeyPatch) -> None:
    """Give up words, and wait for them all the same."""

    def broken(self: Hearing) -> Any:
        for due in self._due:
            due.failure = LATE
        return [heard for due in self._due for heard in self._settle(due)]

    patch.setattr(Hearing, "give_up", broken)


def no_cancel(patch: pytest.MonkeyPatch) -> None:
    """Leave the workers at an answer that nobody wants any more."""
    patch.setattr(Answering, "_stop", Answering._end)


BROKEN: Final[list[tuple[Breaking, str]]] = [
    (two_at_once, "two responses at once"),
    (two_ends, "done without having been created"),
    (no_end, "done without having been created"),
    (left_open, "left open"),
    (deaf_to_barge_in, "not interrupted"),
    (live_settings, "its settings changed"),
    (late_settings, "asked as it was not created"),
    (lost_audio, "audio was lost"),
    (lost_samples, "audio was lost"),
    (lost_ends, "the end of a turn was dropped"),
    (endless_words, "transcribed twice"),
    (no_cancel, "several answers were asked for at once"),
]
"""A machine for each invariant that breaks it, and what is said of it then."""
