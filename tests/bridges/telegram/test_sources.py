"""When Telegram is asked again after it has not answered as it should."""

from __future__ import annotations

import pytest
from aiogram.exceptions import (
    TelegramConflictError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetUpdates

from bridges.telegram.api import Refused, Unreachable
from bridges.telegram.sources import pause_s

ASKED = GetUpdates()


@pytest.mark.parametrize(
    "err",
    [
        TelegramUnauthorizedError(ASKED, "Unauthorized"),
        Refused("Unauthorized", "TelegramUnauthorizedError"),
    ],
)
def test_a_token_that_telegram_does_not_know_is_rarely_tried(err: Exception) -> None:
    """At the first call as well as later: docs/howto/telegram.md says how often."""
    assert [pause_s(err, failures) for failures in (0, 5)] == [30.0, 30.0]


def test_telegram_is_asked_again_when_it_says_so() -> None:
    """And after a while where somebody else asks."""
    assert pause_s(TelegramRetryAfter(ASKED, "Too Many Requests", 7), 0) == 7
    assert pause_s(TelegramConflictError(ASKED, "Conflict"), 0) == 3.0


@pytest.mark.parametrize(
    "err", [TelegramNetworkError(ASKED, "cut"), Unreachable("away"), Refused("no", "Other")]
)
def test_all_else_is_tried_soon_and_then_less_often(err: Exception) -> None:
    """At most every five seconds."""
    assert [pause_s(err, failures) for failures in (0, 1, 9)] == [0.2, 0.5, 5.0]
