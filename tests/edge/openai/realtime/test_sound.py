"""From a client's audio to the bus's, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.openai.realtime.session import ALaw, Format, MuLaw, Pcm
from edge.openai.realtime.sound import InputBuffer, encoded, rate_of

FORMATS: list[Format] = [Pcm(), Pcm(rate=16_000), Pcm(rate=48_000), MuLaw(), ALaw()]
NOISE = np.random.default_rng(1).integers(-9_000, 9_000, 24_000, np.int16).tobytes()
PIECES = st.lists(st.integers(0, 9_000), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(FORMATS), PIECES)
def test_no_sample_is_lost_however_the_audio_is_cut(wanted: Format, sizes: list[int]) -> None:
    """Pieces of any size, within samples too: as much comes out as went in, and the same."""
    cut, whole = InputBuffer(wanted), InputBuffer(wanted)
    data = NOISE[: sum(sizes)]
    made = bytearray()
    first = 0
    for size in sizes:
        made += cut.push(data[first : first + size])
        first += size
    made += cut.flush()

    assert cut.end == len(made) // 2
    samples = len(data) // (2 if isinstance(wanted, Pcm) else 1)
    assert abs(cut.end - samples * 16_000 / rate_of(wanted)) <= 1
    assert len(whole.push(data) + whole.flush()) == len(made)


def test_what_was_appended_since_the_last_turn_is_counted() -> None:
    """In milliseconds, anew after a flush and after a turn that a pause ended."""
    buffer = InputBuffer(Pcm())
    buffer.push(bytes(2 * 2_400))
    assert buffer.fresh_ms == 100

    buffer.forget()
    buffer.push(bytes(2 * 240))
    assert buffer.fresh_ms == 10

    buffer.flush()
    assert buffer.fresh_ms == 0


def test_the_format_may_change_between_two_pieces() -> None:
    """What the filter still held of the old one comes first."""
    buffer = InputBuffer(Pcm())
    first = buffer.push(bytes(2 * 2_400))
    rest = buffer.switch(MuLaw())
    second = buffer.push(b"\xff" * 800) + buffer.flush()

    assert len(first + rest) == len(second) == 2 * 1_600
    assert buffer.end == 3_200
    assert buffer.switch(MuLaw()) == b""


@pytest.mark.parametrize(("wanted", "size"), [(Pcm(), 6), (MuLaw(), 3), (ALaw(), 3)])
def test_answers_are_in_the_format_that_was_asked_for(wanted: Format, size: int) -> None:
    """Samples as they are, or a byte for each."""
    assert len(encoded(b"\x00\x01\x00\x02\x00\x03", wanted)) == size
