"""Threads of one stage."""

from __future__ import annotations

import os

import pytest

from voicebus.cores import all_threads, spare_threads


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 1), (4, 2), (8, 4), (64, 4)])
def test_half_of_the_machine_is_left(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    """More than four threads gain nothing with models as small as these."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert spare_threads() == threads


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 2), (4, 4), (64, 4)])
def test_a_stage_that_others_wait_for_has_all_of_it(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    """Up to the same bound."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    assert all_threads() == threads
