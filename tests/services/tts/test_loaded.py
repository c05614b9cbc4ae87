from __future__ import annotations

from services.tts.loaded import Loaded


def loaded(*names: str, limit_bytes: int = 10) -> tuple[Loaded[str], list[str]]:
    """What is there after these were asked for, 4 bytes each; and what was loaded for that."""
    kept, made = Loaded[str](limit_bytes), list[str]()

    for name in names:
        if kept.get(name) is None:
            made.append(name)
            kept.keep(name, 4, name.upper())
        assert kept.get(name) == name.upper()
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


def test_what_is_loaded_anew_takes_its_own_place() -> None:
    """It is there once, as it is now."""
    kept, _ = loaded("a", "b")

    kept.keep("a", 6, "A2")

    assert (kept.get("a"), kept.get("b"), kept.size_bytes) == ("A2", "B", 10)
