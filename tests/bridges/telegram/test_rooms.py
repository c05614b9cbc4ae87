"""Who may have anything of a bot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bridges.telegram.house import House
from bridges.telegram.incoming import Moved, Whence, Words
from bridges.telegram.rooms import Rooms


async def test_a_group_moves_though_only_some_people_may_write() -> None:
    """It is Telegram that says so, and none of them: what the group had would be lost."""
    asked: list[tuple[int, int]] = []

    def admits(user: int, chat: int) -> bool:
        asked.append((user, chat))
        return user == 7

    settings = SimpleNamespace(user_messages_per_min=0)
    house = SimpleNamespace(settings=settings, config=SimpleNamespace(admits=admits))
    rooms = Rooms(cast("House", house))
    group = Whence(room=(-100, 0), is_private=False, user=0)
    accepted: Any = None

    assert rooms._admit((accepted, group, Moved(-5)))
    assert rooms._admit((accepted, Whence(room=(-100, 0), is_private=False, user=7), Words("Hi")))
    assert asked == [(7, -100)]
