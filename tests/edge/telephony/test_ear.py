"""Callers' audio in its order, with what was lost filled in."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.telephony.ear import AHEAD_S, Ear
from edge.telephony.events import Spoken
from edge.telephony.jitter import MOST_FILLED_MS, MOST_LATE, MOST_WAITING, Jitter
from voicebus.audio.codec import Coding, Sound

PCM = Sound(Coding.PCM, 8_000)
MU = Sound(Coding.MU)


def piece(number: int, at_ms: int = -1) -> Spoken:
    """20 ms that are known again."""
    return Spoken(bytes([number % 250 + 1]) * 320, PCM, number, at_ms)


def known(pieces: list[Spoken]) -> list[int]:
    """The numbers of pieces; 0 for silence."""
    return [one.number if one.number >= 0 else 0 for one in pieces]


def pushed(jitter: Jitter, *pieces: Spoken) -> list[Spoken]:
    """What comes out for these."""
    return [one for given in pieces for one in jitter.push(given)]


def test_pieces_that_overtook_each_other_are_put_in_order() -> None:
    """A late one is waited for, and a double is dropped."""
    jitter = Jitter()

    assert known(pushed(jitter, piece(5), piece(7), piece(6), piece(6), piece(8))) == [5, 6, 7, 8]
    assert jitter.late == 1


def test_a_piece_that_does_not_come_is_not_waited_for_long() -> None:
    """Three are behind it: 60 ms. Then it is too late."""
    jitter = Jitter()
    came = pushed(jitter, piece(1), *(piece(n) for n in range(3, 3 + MOST_WAITING)))
    assert known(came) == [1]

    assert known(pushed(jitter, piece(6))) == [3, 4, 5, 6]
    assert pushed(jitter, piece(2)) == []
    assert jitter.late == 1


def test_what_was_lost_is_silence_of_the_same_length() -> None:
    """The audio is the clock: it must not go slow."""
    jitter = Jitter()
    one, silence, other = pushed(jitter, piece(1, 0), piece(2, 120))

    assert (one.number, other.number) == (1, 2)
    assert silence.data == bytes(1_600)
    assert jitter.lost_ms == 100
    long = pushed(jitter, piece(3, 60_000))
    assert len(long[0].data) == 16 * MOST_FILLED_MS


def test_a_carrier_that_begins_to_count_anew_is_heard_again() -> None:
    """After a hold or a transfer; ten pieces are lost to it, and no silence is made up."""
    jitter = Jitter()
    pushed(jitter, *(piece(n, 20 * n) for n in range(900, 910)))
    anew = pushed(jitter, *(piece(n, 20 * n) for n in range(1, 30)))

    assert known(anew) == list(range(MOST_LATE, 30))
    assert jitter.lost_ms == 0
    assert known(pushed(jitter, piece(30, 600))) == [30]


def test_late_pieces_among_others_are_no_new_count() -> None:
    """However many of them there are in a call."""
    jitter = Jitter()
    came = [pushed(jitter, piece(100 + n), piece(n)) for n in range(50)]

    assert [known(one) for one in came] == [[100 + n] for n in range(50)]
    assert known(pushed(Jitter(), piece(5), *[piece(1)] * 30)) == [5], "nor is one that repeats"


def test_pieces_without_numbers_pass_as_they_come() -> None:
    """TCP keeps their order, and nothing tells what was lost."""
    assert known(pushed(Jitter(), piece(-1), piece(-1))) == [0, 0]


@given(st.lists(st.tuples(st.integers(-1, 40), st.integers(-1, 2_000)), max_size=60))
def test_nothing_comes_out_twice_or_backwards(given_pieces: list[tuple[int, int]]) -> None:
    """Whatever a carrier numbers, unless it keeps to numbers that were there."""
    jitter = Jitter()
    came = pushed(jitter, *(piece(number, at_ms) for number, at_ms in given_pieces))
    numbers = [one.number for one in came if one.number >= 0]
    backwards = sum(after <= before for before, after in itertools.pairwise(numbers))

    assert backwards <= jitter.late // MOST_LATE


def test_an_ear_makes_16_khz_of_anything() -> None:
    """As much as there was, also where the carrier changes its mind."""
    ear = Ear()
    tone = (8_000 * np.sin(np.arange(160) / 3)).astype(np.int16)
    heard = b"".join(ear.take(Spoken(MU.coded(tone), MU), n * 0.02) for n in range(50))
    wide = Sound(Coding.PCM, 16_000)
    heard += b"".join(
        ear.take(Spoken(wide.coded(np.tile(tone, 2)), wide), 1 + n * 0.02) for n in range(50)
    )

    assert abs(len(heard) / 32_000 - 2.0) < 0.06


def test_a_flood_is_thrown_away() -> None:
    """Nobody speaks faster than real time; what is more than some seconds ahead is dropped."""
    ear = Ear()
    taken = sum(len(ear.take(Spoken(bytes(320), PCM), 0.0)) for _ in range(1_000)) / 32_000

    assert taken <= AHEAD_S + 0.1
    assert ear.flooded_s > 16
    assert ear.take(Spoken(bytes(320), PCM), 10.0)
