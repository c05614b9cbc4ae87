"""How long a pause must be to end the turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.settings import EndOfTurn
from services.stt.completion import UNJUDGED
from services.stt.endpointing import EndpointingSettings
from services.stt.hold import POLICIES, SURE, Hold, Limits, limits_of

SETTINGS = st.builds(
    EndOfTurn,
    policy=st.sampled_from(["eager", "balanced", "patient"]),
    min_hold_ms=st.integers(0, 60_000),
    max_hold_ms=st.integers(0, 60_000),
    adapt=st.booleans(),
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (EndOfTurn(), POLICIES["balanced"]),
        (EndOfTurn(policy="eager"), POLICIES["eager"]),
        (EndOfTurn(min_hold_ms=700), Limits(700, 1_200, 700)),
        (EndOfTurn(min_hold_ms=3_000), Limits(3_000, 3_000, 3_000)),
        (EndOfTurn(max_hold_ms=400), Limits(400, 400, 400)),
        (EndOfTurn(max_hold_ms=5_000), Limits(544, 5_000, 600)),
        (EndOfTurn(min_hold_ms=1, max_hold_ms=1), Limits(200, 200, 200)),
        (EndOfTurn(min_hold_ms=900, max_hold_ms=500), Limits(900, 900, 900)),
    ],
)
def test_a_session_may_set_its_limits(settings: EndOfTurn, expected: Limits) -> None:
    """What it leaves open is the policy's, and what contradicts itself is made to agree."""
    assert limits_of(settings) == expected


@pytest.mark.parametrize("policy", ["eager", "balanced", "patient"])
def test_the_hold_is_shortest_for_complete_turns_and_longest_for_open_ones(policy: str) -> None:
    """Completion decides between the policy's limits."""
    hold, limits = Hold(EndOfTurn(policy=policy)), POLICIES[policy]  # type: ignore[arg-type]

    assert hold.length_ms(1.0) == hold.length_ms(SURE) == limits.min_ms
    assert hold.length_ms(0.0) == limits.max_ms
    assert hold.length_ms(UNJUDGED) == limits.unjudged_ms


def test_the_policies_are_in_their_order() -> None:
    """Whoever asks for patience waits longer in every case."""
    eager, balanced, patient = (POLICIES[name] for name in ("eager", "balanced", "patient"))

    for less, more in ((eager, balanced), (balanced, patient)):
        assert less.min_ms < more.min_ms
        assert less.unjudged_ms < more.unjudged_ms
        assert less.max_ms < more.max_ms


def test_doubt_waits_out_the_common_pauses() -> None:
    """What is not quite sure waits far longer than what is."""
    hold = Hold(EndOfTurn())

    assert hold.length_ms(SURE - 0.001) > hold.length_ms(SURE) + 250


@given(SETTINGS, st.floats(0, 1), st.floats(0, 1))
def test_a_more_complete_turn_never_waits_longer(settings: EndOfTurn, a: float, b: float) -> None:
    """And every hold is within the limits."""
    hold = Hold(settings)
    low, high = sorted((a, b))

    shorter, longer = hold.length_ms(high), hold.length_ms(low)

    assert hold.limits.min_ms <= shorter <= longer <= hold.limits.max_ms


@given(SETTINGS)
def test_every_session_gives_an_endpointer_that_works(settings: EndOfTurn) -> None:
    """No wish of a client makes settings that contradict each other."""
    found = Hold(settings).endpointing(EndpointingSettings(soft_pause_ms=600), 60)

    assert 0 < found.soft_pause_ms <= found.end_pause_ms


@pytest.mark.parametrize(("max_turn_s", "longest_ms"), [(1, 2_000), (5, 5_000), (600, 28_000)])
def test_an_utterance_is_no_longer_than_a_turn(max_turn_s: float, longest_ms: int) -> None:
    """Who may speak for five seconds is not heard for half a minute first."""
    found = Hold(EndOfTurn()).endpointing(EndpointingSettings(), max_turn_s)

    assert found.max_utterance_ms == longest_ms


def test_an_end_that_no_pause_made_teaches_nothing() -> None:
    """The client sent no silence, and its next words follow at once by the audio's clock."""
    hold = Hold(EndOfTurn())
    before_ms = hold.shortest_ms
    hold.ended(1_000, 1_544)
    hold.forget()
    hold.started(1_544)

    assert hold.shortest_ms == before_ms


def test_who_was_cut_off_is_given_more_time() -> None:
    """Speech that begins again right after the end of a turn shows that it was none."""
    hold = Hold(EndOfTurn())
    hold.ended(1_000, 1_544)
    hold.started(1_700)

    assert hold.shortest_ms > 600
    assert hold.length_ms(1.0) == hold.shortest_ms


def test_who_was_nearly_cut_off_is_given_a_little_more() -> None:
    """A pause almost as long as the hold is a warning."""
    hold = Hold(EndOfTurn())
    hold.length_ms(1.0)
    hold.resumed(450)

    assert 544 < hold.shortest_ms < 664


def test_a_pause_that_was_judged_rightly_changes_nothing() -> None:
    """An open turn was waited for long enough: there is nothing to learn."""
    hold = Hold(EndOfTurn())
    hold.length_ms(0.0)
    hold.resumed(700)

    assert hold.shortest_ms == 544


def test_turns_that_end_well_take_the_addition_back() -> None:
    """A speaker is not made to wait for ever for one mistake."""
    hold = Hold(EndOfTurn())
    hold.ended(1_000, 1_544)
    hold.started(1_700)
    for turn in range(2, 9):
        hold.ended(turn * 10_000, turn * 10_000 + 544)
        hold.started(turn * 10_000 + 5_000)

    assert hold.shortest_ms == 544


def test_a_session_may_refuse_to_adapt() -> None:
    """Then the limits are what they are."""
    hold = Hold(EndOfTurn(adapt=False))
    hold.ended(1_000, 1_544)
    hold.started(1_700)

    assert hold.shortest_ms == 544


def test_an_end_that_the_caller_forced_is_no_mistake() -> None:
    """Who ends the audio in the middle of a word may speak again at once."""
    hold = Hold(EndOfTurn())
    hold.ended(1_000, 1_000)
    hold.started(1_010)

    assert hold.shortest_ms == 544


@given(SETTINGS, st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)), max_size=40))
def test_adaptation_is_bounded(settings: EndOfTurn, turns: list[tuple[int, int]]) -> None:
    """Whatever a speaker does, the shortest hold stays between the limits and near the first."""
    hold, now = Hold(settings), 0
    for held, gap in turns:
        hold.ended(now, now + held)
        now += held + gap
        hold.started(now)
        assert hold.limits.min_ms <= hold.shortest_ms <= hold.limits.max_ms
        assert hold.shortest_ms <= hold.limits.min_ms + 320
