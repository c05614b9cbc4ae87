"""Callers who hold one turn after the other while parts of the system die, and what they heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.recordings import Recording
from benchmarks.stalls import stalled_ms
from voicebus.audio.pcm import samples_of
from voicebus.caller import Caller, call
from voicebus.errors import VoicebusError
from voicebus.exchange import TurnHeard

PHASES: Final = ("utterance", "reply", "between")

WAIT_S: Final = 45.0
"""Longer than what a takeover takes without a supervisor: who waits in vain this long is lost."""

_PAUSES_S: Final = (0.2, 0.8)
_AGAIN_S: Final = 1.0


class Turn(Struct, kw_only=True):
    """What one caller said once, and what came back. Times are seconds of ``time.perf_counter``.

    Fields
        caller: Which of the callers.
        session: Its session.
        recording: What it said.
        begun_s: When it began to speak, or when it was ready to.
        ended_s: When it had heard all of the answer.
        response_ms: From the last word to the first sound; None when there was none.
        stalled_ms: How long its loudspeaker then stood still, since nothing came.
        stages: What each stage says that it took, in ms.
        transcript: What the system understood.
        finals: From where to where in the session's audio the utterances lie, in ms.
        told: The reply as it was told piece by piece.
        reply: The same as a whole.
        spoken: Its words as their audio was announced.
        audio: Its audio.
        rate_hz: Sample rate of that.
        errors: What the caller was told.
        lost: Why the session could not go on; empty if it could.
        late_ms: How late a frame left at most.
    """

    caller: int
    recording: str
    begun_s: float
    session: str = ""
    ended_s: float = 0.0
    response_ms: float | None = None
    stalled_ms: float = 0.0
    stages: dict[str, float] = {}
    transcript: str = ""
    finals: list[tuple[int, int]] = []
    told: str = ""
    reply: str = ""
    spoken: list[str] = []
    audio: NDArray[np.int16] = np.empty(0, np.int16)
    rate_hz: int = 0
    errors: Sequence[str] = ()
    lost: str = ""
    late_ms: float = 0.0


class Talk:
    """One caller. It goes on in a new session when it loses one.

    Args:
        index: Which of the callers.
        url: Address of /ws.
        spoken: What it may say; one without samples is typed, and its name is what is typed.
        seed: Of what it says, and when.

    Attributes:
        turns: What it heard so far.
        returns: How often its connection was made anew.
        phase: Where it is: one of ``PHASES``.
    """

    def __init__(self, index: int, url: str, spoken: Sequence[Recording], seed: int) -> None:
        self.turns: list[Turn] = []
        self.returns = 0
        self.phase = "between"
        self.session = ""
        self._index = index
        self._url = url
        self._spoken = spoken
        self._chance = Random(f"{seed} {index}")
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._turn: Turn | None = None

    async def reached(self, phase: str) -> None:
        """Wait until the next such phase begins."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append((phase, waiting))
        await waiting

    async def hold(self, is_over: Callable[[], bool]) -> None:
        """Hold turns until it is over; each one is held to its end."""
        while not is_over():
            try:
                async with call(self._url, wait_s=WAIT_S, observe=self._observe) as caller:
                    self.session = caller.session_id
                    while not is_over():
                        await asyncio.sleep(self._chance.uniform(*_PAUSES_S))
                        recording = self._spoken[len(self.turns) % len(self._spoken)]
                        self._turn = self._begun(recording)
                        self._enter("utterance")
                        heard = await _said(caller, recording)
                        turn = self._ended()
                        turn.response_ms = heard.response_ms
                        turn.stalled_ms = stalled_ms(heard.arrivals, heard.rate_hz)
                        turn.stages = {s.name: s.end_ms - s.start_ms for s in heard.server_stages}
                        turn.transcript, turn.reply = heard.transcript, heard.reply
                        turn.audio, turn.rate_hz = samples_of(heard.audio), heard.rate_hz
                        turn.errors, turn.late_ms = heard.errors, heard.send_lag_ms_max
            except* VoicebusError as group:
                said = str(group.exceptions[0]) or type(group.exceptions[0]).__name__
                if self._turn is None:
                    self._turn = self._begun(self._spoken[len(self.turns) % len(self._spoken)])
                self._ended().lost = said
                await asyncio.sleep(_AGAIN_S)

    def _begun(self, recording: Recording) -> Turn:
        return Turn(
            caller=self._index,
            recording=recording.name,
            begun_s=time.perf_counter(),
            session=self.session,
        )

    def _ended(self) -> Turn:
        turn = self._turn
        if turn is None:
            raise RuntimeError("no turn was begun")
        turn.ended_s = time.perf_counter()
        self._turn = None
        self.turns.append(turn)
        self._enter("between")
        return turn

    def _enter(self, phase: str) -> None:
        self.phase = phase
        for wanted, waiting in self._waiting:
            if wanted == phase and not waiting.done():
                waiting.set_result(None)
        self._waiting = [(wanted, w) for wanted, w in self._waiting if not w.done()]

    def _observe(self, message: dict[str, Any]) -> None:
        self.returns += message["type"] == "resumed"
        turn = self._turn
        if turn is None:
            return
        match message["type"]:
            case "final":
                turn.finals.append((message["start_ms"], message["end_ms"]))
                if self.phase == "utterance":
                    self._enter("reply")
            case "reply_text":
                turn.told = ("" if message.get("anew") else turn.told) + message["text"]
            case "spoken":
                turn.spoken.append(message["text"])


async def _said(caller: Caller, recording: Recording) -> TurnHeard:
    if not recording.samples.size:
        return await caller.type_text(recording.name)
    return await caller.speak(recording.samples)
