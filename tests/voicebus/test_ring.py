"""What a client may have to send again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebus.ring import Frame, Ring


@given(st.lists(st.one_of(st.binary(max_size=5), st.text(max_size=5)), max_size=30), st.data())
def test_the_server_gets_each_frame_once(frames: list[Frame], data: st.DataObject) -> None:
    """Whatever it took before the cut, and whatever it had acknowledged: the rest follows."""
    ring = Ring()
    for frame in frames:
        ring.push(frame)
    taken = data.draw(st.integers(0, len(frames)))
    ring.acknowledge(data.draw(st.integers(0, taken)))

    assert frames[:taken] + ring.after(taken) == frames


def test_it_is_bounded() -> None:
    """The oldest goes, and is missed when it is asked for."""
    ring = Ring(limit_bytes=6)
    for frame in (b"12", "34", b"56", b"78"):
        ring.push(frame)

    assert ring.after(1) == ["34", b"56", b"78"]
    assert ring.last == 4
    with pytest.raises(LookupError, match="frames 2 to 4 are here, not 1"):
        ring.after(0)


def test_it_has_not_what_was_never_sent() -> None:
    """A server that claims to have more than there is is not believed."""
    ring = Ring()
    ring.push(b"1")
    ring.acknowledge(7)

    assert ring.after(1) == []
    with pytest.raises(LookupError):
        ring.after(2)
