"""From what happened in a dialogue to one row per move. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from benchmarks.caller_script import PATIENCE_S, Said
from benchmarks.callers import Account
from benchmarks.hearing import Hearing, TurnHeard
from voicebus.caller import RATE_HZ

_MOOT_MS: Final = 100.0
"""A reply that would have ended by itself within this time was not stopped by anybody."""


class MoveRow(Struct, frozen=True, kw_only=True):
    """What one move of the caller gave. Times count in milliseconds at the caller.

    Fields
        system: ``ours`` or the name of a peer.
        dialogue: Its name.
        place: Which move of the dialogue it is, from 0.
        kind: What it tests, see :mod:`benchmarks.moves`.
        recordings: What was said.
        snr_db: Speech over background noise; None without noise.
        pause_ms: Length of its inner pause; None without one.
        wait_ms: How long after the first audible sample of the reply it came; None if not then.
        response_ms: From the last speech sample sent to the first audible sample heard of a turn
            that began after it; None when there was none within five seconds.
        started_ms: From the last speech sample sent to the announcement of that turn.
        hold_ms: How long the server says that it waited for the caller to go on.
        cut_off: Whether a turn began before the caller had finished, in a pause or after it.
        cut_off_heard: Whether any of such a turn was heard before the caller had finished.
        stop_ms: From the first speech sample of an interruption to the last sample heard of the
            reply; None if there was nothing to interrupt.
        decision_ms: From the news that speech was noticed to that moment.
        unheard_ms: How much of that reply had reached the caller and was not heard.
        not_stopped: Whether a reply was played to its end although the caller interrupted it.
        heard: The words of the interrupted reply that were played to their end.
        kept: The words of it that the system remembers; None if it does not say.
        went_on: Whether the reply went on after a backchannel; None if there was none by then.
        false_start: Whether anything began although nobody spoke.
        transcript: What was understood.
        text: What was said.
        reply: What was answered.
        lag_ms_p99: How late frames left; nearly the latest one of the dialogue.
        lag_ms_max: How late the latest frame of the dialogue left.
        waste: What the dialogue's workers threw away; with its first move only.
        complaints: Errors that the system reported in this dialogue; with its first move only.
        error: Why the dialogue broke off.
    """

    system: str
    dialogue: str
    place: int
    kind: str
    recordings: tuple[str, ...]
    snr_db: float | None = None
    pause_ms: float | None = None
    wait_ms: float | None = None
    response_ms: float | None = None
    started_ms: float | None = None
    hold_ms: float | None = None
    cut_off: bool = False
    cut_off_heard: bool = False
    stop_ms: float | None = None
    decision_ms: float | None = None
    unheard_ms: float | None = None
    not_stopped: bool = False
    heard: str | None = None
    kept: str | None = None
    went_on: bool | None = None
    false_start: bool = False
    transcript: str = ""
    text: str = ""
    reply: str = ""
    lag_ms_p99: float = 0.0
    lag_ms_max: float = 0.0
    waste: Mapping[str, float] = {}
    complaints: tuple[str, ...] = ()
    error: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether somebody spoke and was not answered."""
        quiet = self.kind in {"silence", "noise", "backchannel"}
        return not quiet and not self.error and self.response_ms is None


def rows(account: Account, system: str, waste: Mapping[str, float]) -> list[MoveRow]:
    """Return the rows of a dialogue."""
    lags = sorted(account.lags_ms) or [0.0]
    found = []
    for place, said in enumerate(account.said):
        if said.move.last not in said.marks:  # the line broke in the middle of it
            continue
        following = account.said[place + 1].begun_s if place + 1 < len(account.said) else None
        found.append(
            MoveRow(
                system=system,
                dialogue=account.dialogue.name,
                place=place,
                kind=said.move.kind,
                recordings=said.move.recordings,
                snr_db=account.dialogue.snr_db,
                pause_ms=said.move.pauses[0].ms if said.move.pauses else None,
                text=said.move.text,
                lag_ms_p99=lags[int(0.99 * (len(lags) - 1))],
                lag_ms_max=lags[-1],
                waste=waste if place == 0 else {},
                complaints=tuple(account.hearing.errors) if place == 0 else (),
                error=account.error,
                **_judged(said, account.hearing, following),
            )
        )
    return found


def _judged(said: Said, hearing: Hearing, following_s: float | None) -> dict[str, Any]:
    if said.move.kind in {"silence", "noise"}:
        return _quiet(hearing)
    if said.move.kind == "backchannel":
        return _acknowledged(said, hearing)
    found = _answered(said, hearing, following_s) | _cut_off(said, hearing)
    if said.move.kind == "interruption":
        found |= _stopped(said, hearing)
    return found


def _answered(said: Said, hearing: Hearing, following_s: float | None) -> dict[str, Any]:
    """Find the answer: a turn that began after the caller had finished, and is audible in time."""
    begun = {n: turn for n, turn in hearing.turns.items() if turn.started_s >= said.begun_s}
    until_s = said.ended_s + PATIENCE_S
    if following_s is not None:
        until_s = min(until_s, following_s)
        begun = {n: turn for n, turn in begun.items() if turn.started_s < following_s}
    found: dict[str, Any] = {"transcript": " ".join(t.text for t in begun.values() if t.text)}
    answer = hearing.answer_since(said.ended_s)
    if answer is None or answer[1] > until_s:
        return found
    number, audible_s = answer
    turn = hearing.turns[number]
    return found | {
        "response_ms": 1000 * (audible_s - said.ended_s),
        "started_ms": 1000 * (turn.started_s - said.ended_s),
        "hold_ms": turn.hold_ms,
        "reply": turn.reply,
    }


def _cut_off(said: Said, hearing: Hearing) -> dict[str, Any]:
    """Find turns that began while the caller was still speaking.

    Between the sentences of a follow-up an answer may begin: the first one was complete.
    """
    early = {n: t for n, t in hearing.turns.items() if said.begun_s < t.started_s < said.ended_s}
    for end in said.move.ends[:-1]:
        early = {n: t for n, t in early.items() if t.started_s < said.at(end)}
    heard = [hearing.player.audible_at(number) for number in early]
    return {
        "cut_off": bool(early),
        "cut_off_heard": any(at_s is not None and at_s < said.ended_s for at_s in heard),
    }


def _stopped(said: Said, hearing: Hearing) -> dict[str, Any]:
    """Find when the reply that was cut into was heard last, and what is remembered of it."""
    number = said.interrupted
    found: dict[str, Any] = {"wait_ms": float(said.move.wait_ms)}
    if not number:
        return found
    turn, player = hearing.turns[number], hearing.player
    silent_s = player.silent_from(number)
    if silent_s is None:
        return found
    if turn.flushed_ms is None and turn.outcome != "interrupted":
        # Nobody stopped it: either it was over at once anyway, or it was played to its end.
        lasted_ms = 1000 * (silent_s - said.begun_s)
        return found | {"not_stopped": lasted_ms > _MOOT_MS and lasted_ms > _length_ms(said)}
    found["stop_ms"] = max(0.0, 1000 * (silent_s - said.begun_s))
    found["unheard_ms"] = player.received_ms(number) - player.played_ms(number)
    noticed = [at_s for at_s in hearing.speech_noticed_s if said.begun_s <= at_s]
    if noticed:
        found["decision_ms"] = max(0.0, 1000 * (silent_s - noticed[0]))
    return found | _remembered(turn, player.played_ms(number))


def _remembered(turn: TurnHeard, played_ms: float) -> dict[str, Any]:
    if turn.outcome != "interrupted" or turn.kept is None:
        return {}
    heard_ms = played_ms if turn.flushed_ms is None else turn.flushed_ms
    return {"heard": " ".join(turn.words_before(heard_ms)), "kept": " ".join(turn.kept.split())}


def _acknowledged(said: Said, hearing: Hearing) -> dict[str, Any]:
    """Find out whether the reply went on after a word that was no interruption."""
    number = said.interrupted
    found: dict[str, Any] = {"wait_ms": float(said.move.wait_ms)}
    if not number:
        return found
    turn = hearing.turns[number]
    silent_s = hearing.player.silent_from(number)
    is_whole = turn.audio_is_complete and not hearing.player.is_waiting(number)
    stopped = turn.outcome == "interrupted" or turn.flushed_ms is not None
    went_on = not stopped and (is_whole or (silent_s is not None and silent_s > said.ended_s))
    others = [t.text for t in hearing.turns.values() if t.started_s > said.begun_s]
    return found | {"went_on": went_on, "transcript": " ".join(others), "reply": turn.reply}


def _quiet(hearing: Hearing) -> dict[str, Any]:
    heard = [turn.text for turn in hearing.turns.values()]
    began = bool(heard) or bool(hearing.player.heard)
    return {"false_start": began, "transcript": " ".join(heard)}


def _length_ms(said: Said) -> float:
    return len(said.move.samples) * 1000 / RATE_HZ
