from __future__ import annotations

import pytest

from edge.openai.places import Places
from voicebus.errors import Busy


def test_a_place_is_free_again_whatever_ended_the_work() -> None:
    """Work that fails gives its place back like work that is done."""
    places = Places()
    with pytest.raises(RuntimeError), places.place(1):
        raise RuntimeError

    with places.place(1), pytest.raises(Busy) as refused, places.place(1):
        pytest.fail("there is one place only")

    assert refused.value.retryable
    assert refused.value.retry_after_s > 0
