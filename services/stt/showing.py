"""Which engine shows what is being said: the one of the finals, or a quick one beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.event import Event
from services.stt.ears import Ears
from services.stt.engine import Hint
from services.stt.partials import Partials
from services.stt.samples import SampleBuffer
from services.stt.streamed import StreamedPartials
from services.stt.waiting import Timed


class Showing(Protocol):
    """Shows what has been understood while somebody is still speaking."""

    @property
    def language(self) -> str:
        """That of the words that are settled; empty while nobody knows."""

    def begin(self, utterance: int, speech: int) -> None:
        """An utterance begins with the sample ``speech``."""

    def follow(self, samples: SampleBuffer, start: int, *, quiet: bool) -> None:
        """The utterance goes on.

        Args:
            samples: The session's audio.
            start: First sample of the utterance.
            quiet: Whether the speaker pauses.
        """

    def drafted(self, text: str, language: str, now: int) -> None:
        """The same was understood of the samples up to ``now`` by other means."""

    def pause(self) -> None:
        """The speaker pauses."""

    def resume(self) -> None:
        """The speaker goes on after a pause."""

    def stall(self, now: int) -> None:
        """No audio comes: by the clock, a pause that has begun lasts until the sample ``now``."""

    def ending(
        self, samples: NDArray[np.float32], start: int, paused: int | None
    ) -> Callable[[], Awaitable[Timed]] | None:
        """End what is being heard, if that becomes a final sooner than a recognition of the whole.

        Args:
            samples: The utterance, mono at 16 kHz.
            start: Its first sample.
            paused: Sample from which on the speaker pauses; None if the utterance is over.

        Returns:
            Waits for what will be known of it; None where the whole has to be recognised.
        """

    def cancel(self) -> None:
        """The utterance is over."""


def showing(
    ears: Ears,
    group: asyncio.TaskGroup,
    hint: Hint,
    owner: Hashable,
    say: Callable[[Event], None],
    *,
    wanted: Literal["auto", "same", "none"],
) -> Showing:
    """Return who makes a session's partials.

    A second engine knows one language: it shows nothing to sessions that may be in another one.

    Args:
        ears: What the worker has.
        group: Owns the tasks.
        hint: What is known about the session.
        owner: Whose they are.
        say: Takes the partials.
        wanted: See :class:`schemas.settings.SessionSettings`.
    """
    quick = ears.quick
    if quick is None or not (ears.quick_settles or _fits(hint, quick.language, wanted)):
        return Partials(ears, group, hint, owner, say)
    return StreamedPartials(quick, group, hint, owner, say, settles=ears.quick_settles)


def _fits(hint: Hint, language: str, wanted: str) -> bool:
    asked = (hint.language,) if hint.language else hint.languages
    return wanted == "auto" and asked == (language,)
