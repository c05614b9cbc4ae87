from __future__ import annotations

import numpy as np
import pytest

from benchmarks.playback import Player
from tests.benchmarks.speech import tone

RATE_HZ = 16_000


def silence(ms: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Audio that nobody hears."""
    return np.zeros(ms * RATE_HZ // 1000, np.int16)


def test_audio_plays_in_real_time_from_its_arrival() -> None:
    """Audio that comes faster than it plays waits for its turn."""
    player = Player()
    player.push(1, tone(500), RATE_HZ, 10.0)
    player.push(1, tone(500), RATE_HZ, 10.1)

    player.advance(10.3)
    at_first = player.played_ms(1)
    player.advance(12.0)

    assert at_first == pytest.approx(300)
    assert player.played_ms(1) == pytest.approx(1000)
    assert player.silent_from(1) == pytest.approx(11.0)
    assert len(player.heard) == 1


def test_a_late_chunk_leaves_a_hole() -> None:
    """What has not arrived cannot be played; what follows is not made up for."""
    player = Player()
    player.push(1, tone(200), RATE_HZ, 0.0)
    player.push(1, tone(200), RATE_HZ, 0.5)
    player.advance(1.0)

    assert [(round(p.begun_s, 3), round(p.ended_s, 3)) for p in player.heard] == [
        (0.0, 0.2),
        (0.5, 0.7),
    ]


def test_a_paused_turn_stands_still_and_goes_on_where_it_was() -> None:
    """Nothing of it is lost."""
    player = Player()
    player.push(1, tone(1000), RATE_HZ, 0.0)
    player.pause(1, 0.4)
    player.resume(1, 1.4)
    player.advance(3.0)

    assert [(round(p.from_s, 3), round(p.to_s, 3)) for p in player.heard] == [
        (0.0, 0.4),
        (0.4, 1.0),
    ]
    assert player.silent_from(1) == pytest.approx(2.0)


def test_a_flushed_turn_is_gone_at_once() -> None:
    """The player knows to the sample what was heard, and the next turn begins without waiting."""
    player = Player()
    player.push(1, tone(1000), RATE_HZ, 0.0)
    player.pause(1, 0.25)

    played_ms = player.flush(1, 0.6)
    player.push(2, tone(100), RATE_HZ, 0.7)
    player.advance(2.0)

    assert played_ms == pytest.approx(250)
    assert player.silent_from(1) == pytest.approx(0.25)
    assert player.audible_at(2) == pytest.approx(0.7)


def test_a_turn_is_audible_when_its_first_loud_sample_is_played() -> None:
    """Leading silence, and what is still being played, are waited for."""
    player = Player()
    player.push(1, tone(300), RATE_HZ, 0.0)
    player.push(2, np.concatenate([silence(100), tone(200)]), RATE_HZ, 0.1)
    player.advance(0.35)
    too_early = player.audible_at(2)
    player.advance(1.0)

    assert too_early is None
    assert player.audible_at(2) == pytest.approx(0.4)


def test_a_turn_of_silence_is_never_audible() -> None:
    """Played is not heard."""
    player = Player()
    player.push(1, silence(500), RATE_HZ, 0.0)
    player.advance(1.0)

    assert player.audible_at(1) is None
    assert player.played_ms(1) == pytest.approx(500)
    assert not player.is_waiting(1)


def test_nothing_is_known_of_a_turn_that_has_no_audio() -> None:
    """A reply that was cancelled before its first sample was not heard."""
    player = Player()

    assert player.flush(7, 1.0) == 0.0
    assert player.silent_from(7) is None
    assert player.audible_at(7) is None
