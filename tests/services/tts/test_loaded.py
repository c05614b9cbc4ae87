from __future__ import annotations

import pytest

from services.tts.loaded import Loaded


def loaded(*names: str, limit_bytes: int = 10) -> tuple[Loaded[str], list[str]]:
    """What is there after these were asked for, 4 bytes each; and what was loaded for that."""
    kept, made = Loaded[str](limit_bytes), list[str]()

    def load(name: str) -> str:
        made.append(name)
        return name.upper()

    for name in names:
        assert kept.get(name, 4, lambda name=name: load(name)) == name.upper()  # type: ignore[misc]
    return kept, made


def test_what_fits_is_loaded_once() -> None:
    """Who asks again waits for nothing."""
    kept, made = loaded("a", "b", "a", "b")

    assert made == ["a", "b"]
    assert kept.size_bytes == 8


def test_what_was_not_used_for_longest_goes_first() -> None:
    """The limit holds, and what was used of late stays."""
    kept, made = loaded("a", "b", "a", "c", "a", "b")

    assert made == ["a", "b", "c", "b"]
    assert ("a" in kept, "b" in kept, "c" in kept) == (True, True, False)


def test_what_is_larger_than_the_limit_is_kept_alone() -> None:
    """A worker with one large voice works."""
    kept, made = loaded("a", "a", "b", limit_bytes=1)

    assert made == ["a", "b"]
    assert kept.size_bytes == 4


def test_what_cannot_be_loaded_costs_nothing() -> None:
    """The others stay, and it may be tried again."""
    kept, _ = loaded("a", "b")

    with pytest.raises(ZeroDivisionError):
        kept.get("c", 4, lambda: str(1 // 0))

    assert ("a" in kept, "b" in kept, "c" in kept) == (True, True, False)
