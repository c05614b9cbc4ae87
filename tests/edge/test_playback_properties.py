"""Whatever a client says and whatever happens: playback ends once, within what was sent."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.playback import Playback
from schemas.event import Event
from schemas.session import PlaybackEnded

calls = st.sampled_from(
    ["begun", "sent", "completed", "heard", "flushed", "cut", "paused", "resumed"]
)
steps = st.lists(
    st.tuples(calls, st.integers(0, 5), st.floats(0, 5_000), st.floats(0, 2)), max_size=60
)


def run(playback: Playback, script: list[tuple[str, int, float, float]]) -> list[Event]:
    """Do as the script says, settling whenever something is due; return what was told."""
    now_s, told = 0.0, list[Event]()

    def settle(until_s: float) -> None:
        for _ in range(1_000):
            due_s = playback.due_s
            if due_s is None or due_s > until_s:
                return
            told.extend(playback.settle(due_s))
        raise AssertionError("something is due for ever")

    for call, turn, ms, passed_s in script:
        settle(now_s + passed_s)
        now_s += passed_s
        step: Callable[..., None] = getattr(playback, call)
        step(turn, ms, now_s) if call in {"sent", "heard", "flushed"} else step(turn, now_s)
    settle(now_s + 1_000)
    return told


@given(steps)
@settings(max_examples=500)
def test_every_turn_ends_exactly_once_within_what_was_sent(
    script: list[tuple[str, int, float, float]],
) -> None:
    """Whatever happens in whatever order: one end for each turn that began and was completed or
    cut (unless it is paused for ever), reports rise up to it, and nothing exceeds what was sent.
    """
    told = run(Playback(), script)

    ends = [event for event in told if isinstance(event, PlaybackEnded)]
    assert len({end.turn for end in ends}) == len(ends)
    sent = dict.fromkeys(range(6), 0.0)
    for call, turn, ms, _ in script:
        sent[turn] += ms if call == "sent" else 0
    for turn in range(6):
        reports = [event.played_ms for event in told if event.turn == turn]  # type: ignore[attr-defined]
        assert reports == sorted(reports)
        assert all(0 <= played_ms <= sent[turn] for played_ms in reports)
    begun, latest, over = set[int](), 0, set[int]()
    for call, turn, _, _ in script:
        if call == "begun" and turn > latest:
            latest = turn
            over |= begun
            begun.add(turn)
        elif call in {"completed", "cut"}:
            over |= {turn} & begun
    assert {end.turn for end in ends} <= over
    if not any(call == "paused" for call, *_ in script):
        assert {end.turn for end in ends} == over


@given(st.lists(st.tuples(st.floats(1, 500), st.floats(0, 1)), min_size=1, max_size=20))
def test_by_the_clock_no_more_is_heard_than_time_has_passed(
    stretches: list[tuple[float, float]],
) -> None:
    """At any moment the estimate is bounded by what was sent and by the time since its sending."""
    playback = Playback()
    now_s = sent_ms = 0.0
    playback.begun(1, 0.0)
    for length_ms, passed_s in stretches:
        playback.sent(1, length_ms, now_s)
        sent_ms += length_ms
        now_s += passed_s
    playback.cut(1, now_s)

    (end,) = playback.settle(now_s)
    assert isinstance(end, PlaybackEnded)
    assert end.played_ms <= min(sent_ms, now_s * 1000) + 0.001
