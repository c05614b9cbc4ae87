"""What the widget's benchmark makes of captions."""

from __future__ import annotations

import pytest

from benchmarks.widget_figures import bars, compared, figures, void_reasons

HEARD = [(f"said {number}", 1_000.0 * number) for number in range(6)]


def seen(*shown_ms: float) -> list[tuple[str, float]]:
    """The captions of what was heard, each so much later."""
    return [(text, at + ms) for (text, at), ms in zip(HEARD, shown_ms, strict=True)]


QUICK = compared(1, seen(30, 20, 20, 20, 20, 20), HEARD)
SLOW_TO_BEGIN = compared(2, seen(120, 40, 40, 40, 40, 40), HEARD)


def test_a_caption_counts_from_its_partial() -> None:
    """By the clock that both ends read."""
    assert [caption.shown_ms for caption in QUICK.captions] == [30, 20, 20, 20, 20, 20]
    assert QUICK.unlike == 0


def test_the_first_caption_of_every_visit_has_to_be_in_time() -> None:
    """One that is late is not hidden by those of other visits, nor by later ones."""
    found = figures([QUICK, SLOW_TO_BEGIN], 15_001, seed=1)

    assert found["caption_first_p50_ms"] == pytest.approx(75)
    assert found["caption_first_max_ms"] == found["caption_max_ms"] == 120
    assert found["caption_p50_ms"] == pytest.approx(35)
    assert found["captions_count"] == 12
    assert {bar.name: bar.holds for bar in bars(found)} == {
        "caption_first_max_ms": False,
        "caption_p50_ms": True,
        "widget_scripts_bytes": False,
    }


@pytest.mark.parametrize(
    ("page", "bus", "unlike"),
    [
        (seen(*[9] * 6)[1:], HEARD, 6),
        (seen(*[9] * 6), HEARD[:-1], 1),
        ([*seen(*[9] * 6)[:-1], ("else", 6_000.0)], HEARD, 1),
    ],
    ids=["one not seen", "one not heard", "another text"],
)
def test_captions_that_nobody_sent_make_a_run_void(
    page: list[tuple[str, float]], bus: list[tuple[str, float]], unlike: int
) -> None:
    """As do those that nobody saw: the times of the others would be of other partials."""
    one = compared(1, page, bus)

    assert one.unlike == unlike
    assert any("not what was on the bus" in reason for reason in void_reasons([one], 0.0))


def test_a_run_that_says_nothing_is_void() -> None:
    """Without captions, with clocks that differ, or beside others."""
    assert void_reasons([QUICK, SLOW_TO_BEGIN], 0.0) == ()
    assert "others" in void_reasons([QUICK], 0.5)[0]
    assert "fewer than" in void_reasons([compared(1, [], [])], 0.0)[0]
    assert "clocks" in void_reasons([compared(1, seen(*[-3] * 6), HEARD)], 0.0)[0]
    assert figures([], 9, seed=1) == {"captions_count": 0, "widget_scripts_bytes": 9}
