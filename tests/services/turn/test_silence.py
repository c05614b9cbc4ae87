"""A caller who says nothing."""

from __future__ import annotations

import pytest

from schemas.event import Event
from schemas.session import ClientLost, ClientReturned
from schemas.settings import Silence
from schemas.turn import HangUp
from services.turn.deadlines import Deadlines
from services.turn.silence import HANG_UP_DUE, LIMIT_DUE, PROMPT_DUE, Patience


def test_without_settings_silence_is_borne_for_ever() -> None:
    """Nothing is ever due."""
    deadlines = Deadlines()
    Patience(Silence(), deadlines).await_caller(0)

    assert deadlines.next_ms is None


@pytest.mark.parametrize("prompts", [0, 1, 3])
def test_so_many_prompts_in_a_row(prompts: int) -> None:
    """Each after the same silence; the caller's voice starts the count anew."""
    deadlines = Deadlines()
    silence = Silence(prompt="Hello?", prompt_after_s=1, prompts=prompts)
    patience = Patience(silence, deadlines)
    for _ in range(2):
        asked = 0
        for now_ms in range(0, 10_000, 1_000):
            patience.await_caller(now_ms)
            if deadlines.take_due(now_ms + 1_000) == PROMPT_DUE:
                assert patience.prompt() == "Hello?"
                asked += 1
        assert asked == prompts
        patience.caller_is_there()


LOST, RETURNED = ClientLost(), ClientReturned()


def tell(patience: Patience, event: Event, now_ms: float) -> None:
    """Let this happen."""
    assert patience.take(event, now_ms) == ()


def test_a_client_that_is_away_is_not_silent() -> None:
    """Nobody is prompted or hung up on then; afterwards the caller has all the time again."""
    deadlines = Deadlines()
    silence = Silence(prompt="Hello?", prompt_after_s=1, hang_up_after_s=10)
    patience = Patience(silence, deadlines)
    patience.await_caller(0)
    tell(patience, LOST, 500)
    patience.await_caller(600)
    away_ms = deadlines.next_ms
    tell(patience, RETURNED, 60_000)

    assert away_ms is None
    assert deadlines.take_due(61_000) == PROMPT_DUE
    assert deadlines.take_due(70_000) == HANG_UP_DUE


def test_who_comes_back_and_did_not_have_the_floor_is_not_waited_for() -> None:
    """Somebody else speaks, or the client was never away."""
    deadlines = Deadlines()
    patience = Patience(Silence(hang_up_after_s=10), deadlines)
    tell(patience, LOST, 0)
    tell(patience, RETURNED, 1_000)
    quiet_ms = deadlines.next_ms
    patience.await_caller(2_000)
    tell(patience, RETURNED, 5_000)

    assert quiet_ms is None
    assert deadlines.next_ms == 12_000


def test_a_session_has_its_time_wherever_its_client_is() -> None:
    """The limit is that of the session."""
    deadlines = Deadlines()
    patience = Patience(Silence(), deadlines)
    patience.begin(1_000, 60)
    tell(patience, LOST, 2_000)

    assert deadlines.take_due(61_000) == LIMIT_DUE
    assert patience.hang_up(LIMIT_DUE) == HangUp(reason="limit")


def test_a_noise_does_not_start_the_count_anew() -> None:
    """It breaks the silence; whoever only makes noise is not asked for ever."""
    deadlines = Deadlines()
    patience = Patience(Silence(prompt="Hello?", prompt_after_s=1, prompts=1), deadlines)
    patience.await_caller(0)
    patience.prompt()
    patience.caller_speaks()
    patience.await_caller(1_000)

    assert deadlines.next_ms is None


def test_hanging_up_counts_from_the_last_sign_of_the_caller() -> None:
    """Prompts in between do not make the silence shorter."""
    deadlines = Deadlines()
    patience = Patience(Silence(hang_up_after_s=10), deadlines)
    patience.await_caller(0)
    patience.await_caller(4_000)
    assert deadlines.next_ms == 10_000

    patience.caller_is_there()
    patience.await_caller(5_000)
    assert deadlines.take_due(15_000) == HANG_UP_DUE
