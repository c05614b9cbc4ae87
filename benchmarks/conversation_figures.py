"""From the rows of dialogues to figures, and from figures to what holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks import stats
from benchmarks.dialogues import BAND_MS, LONG_PAUSES_MS, SHORT_PAUSES_MS
from benchmarks.figures import Bar
from benchmarks.judge import MoveRow

OURS: Final = "ours"

SPOKEN: Final = frozenset({"complete", "paused", "hesitant", "follow_up"})
"""What response latency is taken from; the answers to interruptions stand apart."""

TURNS_FOR_P95: Final = 60
"""With fewer, a 95th percentile is the word of three turns and is left out."""

LATEST_MS: Final = 5.0
_MOST_FAILED: Final = 0.05
_MOST_STOLEN: Final = 0.02

AT_MOST: Final[Mapping[str, float]] = {
    "response_p50_ms": 600.0,
    "response_p95_ms": 1600.0,
    "false_cutoff_ratio": 0.05,
    "missed_end_ratio": 0.05,
    "bargein_stop_p50_ms": 250.0,
    "bargein_decision_p50_ms": 50.0,
    "false_start_ratio": 0.0,
}
AT_LEAST: Final[Mapping[str, float]] = {"heard_exact_ratio": 1.0}
BELOW: Final[Mapping[str, float]] = {
    "pipecat_response_p50_ratio": 1.0,
    "pipecat_response_p95_ratio": 1.0,
}
NO_MORE: Final = "pipecat_false_cutoff_excess_ratio"


def bars(figures: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of all figures that were measured."""
    found = [_bar(figures, name, "lower", limit) for name, limit in AT_MOST.items()]
    found += [_bar(figures, name, "higher", limit) for name, limit in AT_LEAST.items()]
    found += [_bar(figures, name, "lower", limit) for name, limit in BELOW.items()]
    found.append(_bar(figures, NO_MORE, "lower", 0.0))
    return tuple(bar for bar in found if bar is not None)


def _bar(figures: Mapping[str, float], name: str, better: str, limit: float) -> Bar | None:
    if name not in figures:
        return None
    value = figures[name]
    if better == "higher":
        holds = value >= limit
    else:
        holds = value < limit if name in BELOW else value <= limit
    return Bar(name, value, limit, better, holds)


def figures(rows: Sequence[MoveRow], systems: Sequence[str]) -> dict[str, float]:
    """Return the figures of all systems: ours plainly, those of a peer behind its name."""
    found: dict[str, float] = {}
    for system in systems:
        prefix = "" if system == OURS else f"{system}_"
        own = of_system([row for row in rows if row.system == system])
        found |= {f"{prefix}{name}": value for name, value in own.items()}
    peers = [system for system in systems if system != OURS]
    if peers:
        found |= against(rows, peers)
    return found


def of_system(rows: Sequence[MoveRow]) -> dict[str, float]:
    """Return the figures of one system."""
    figures: dict[str, float] = {}
    spoken = [row for row in rows if row.kind in SPOKEN and not row.error]
    kept = [row for row in spoken if not row.cut_off]
    _spread(figures, "response", (row.response_ms for row in kept))
    _spread(figures, "response_complete", _responses(kept, "complete"))
    _spread(figures, "response_paused", _responses(kept, "paused", "hesitant"))
    _spread(figures, "response_noisy", (r.response_ms for r in kept if r.snr_db is not None))
    _spread(figures, "endpoint_delay", (row.hold_ms for row in kept))
    _spread(figures, "turn_started", (row.started_ms for row in kept))
    _ratio(figures, "missed_end_ratio", [row.is_missed for row in spoken])
    figures |= cut_offs(spoken)
    figures |= _interruptions([row for row in rows if row.kind == "interruption"])
    acknowledged = [row.went_on for row in rows if row.went_on is not None]
    _ratio(figures, "false_interruption_resumed_ratio", acknowledged)
    quiet = [row.false_start for row in rows if row.kind in {"silence", "noise"}]
    _ratio(figures, "false_start_ratio", quiet)
    figures |= waste(rows)
    return figures


def cut_offs(rows: Sequence[MoveRow]) -> dict[str, float]:
    """Return how often a caller was cut off: in short pauses, by length of pause, without one."""
    figures: dict[str, float] = {}
    limit_ms = SHORT_PAUSES_MS[-1] + BAND_MS
    paused = [(row, row.pause_ms) for row in rows if row.pause_ms is not None]
    short = [row for row, ms in paused if ms <= limit_ms]
    _ratio(figures, "false_cutoff_ratio", [row.cut_off for row in short])
    _ratio(figures, "false_cutoff_heard_ratio", [row.cut_off_heard for row in short])
    for begin in (*SHORT_PAUSES_MS, *LONG_PAUSES_MS):
        band = [row.cut_off for row, ms in paused if begin <= ms < begin + BAND_MS]
        _ratio(figures, f"false_cutoff_{begin}_{begin + BAND_MS}_ratio", band)
    whole = [row.cut_off for row in rows if row.pause_ms is None]
    _ratio(figures, "false_cutoff_unpaused_ratio", whole)
    return figures


def _interruptions(rows: Sequence[MoveRow]) -> dict[str, float]:
    figures: dict[str, float] = {}
    _spread(figures, "bargein_stop", (row.stop_ms for row in rows))
    _spread(figures, "bargein_decision", (row.decision_ms for row in rows))
    _spread(figures, "bargein_unheard", (row.unheard_ms for row in rows))
    _spread(figures, "bargein_response", (row.response_ms for row in rows))
    tried = [row for row in rows if row.stop_ms is not None or row.not_stopped]
    _ratio(figures, "bargein_ignored_ratio", [row.not_stopped for row in tried])
    _ratio(figures, "bargein_missed_end_ratio", [row.is_missed for row in rows])
    exact = [row.heard == row.kept for row in rows if row.kept is not None]
    _ratio(figures, "heard_exact_ratio", exact)
    figures["bargeins"] = float(len(tried))
    return figures


def waste(rows: Sequence[MoveRow]) -> dict[str, float]:
    """Return what was made and not heard, for each turn of the caller and as a part of all."""
    turns = sum(row.kind not in {"silence", "noise"} for row in rows)
    total: dict[str, float] = {}
    for row in rows:
        for name, value in row.waste.items():
            total[name] = total.get(name, 0.0) + value
    figures: dict[str, float] = {}
    for made, wasted, unit in (
        ("llm_tokens", "llm_wasted_tokens", "tokens"),
        ("tts_audio_seconds", "tts_wasted_seconds", "s"),
    ):
        if not turns or made not in total:
            continue
        stage = made.partition("_")[0]
        for reason in ("speculative", "interrupted"):
            lost = total.get(f"{wasted}:{reason}", 0.0)
            figures[f"{stage}_wasted_{reason}_per_turn_{unit}"] = lost / turns
            if total[made]:
                figures[f"{stage}_wasted_{reason}_ratio"] = lost / total[made]
    begun = total.get("speculations:begun", 0.0)
    if begun:
        figures["speculation_used_ratio"] = total.get("speculations:used", 0.0) / begun
    return figures


def against(rows: Sequence[MoveRow], peers: Sequence[str]) -> dict[str, float]:
    """Compare ours with each peer, and with the one that is nearest to us or ahead.

    Latencies are compared over what both answered without cutting in.
    """
    figures: dict[str, float] = {}
    found: dict[str, list[float]] = {}
    for peer in peers:
        ours_ms, theirs_ms = common(rows, peer)
        for percent, needed in ((50, 1), (95, TURNS_FOR_P95)):
            if len(ours_ms) >= needed:
                ratio = stats.percentile(ours_ms, percent) / stats.percentile(theirs_ms, percent)
                figures[f"{peer}_response_p{percent}_ratio"] = ratio
                found.setdefault(f"response_p{percent}_ratio", []).append(ratio)
        ours, theirs = (
            cut_offs([r for r in rows if r.system == name and r.kind in SPOKEN and not r.error])
            for name in (OURS, peer)
        )
        if "false_cutoff_ratio" in ours and "false_cutoff_ratio" in theirs:
            excess = ours["false_cutoff_ratio"] - theirs["false_cutoff_ratio"]
            figures[f"{peer}_false_cutoff_excess_ratio"] = excess
            found.setdefault("false_cutoff_excess_ratio", []).append(excess)
    family = peers[0].partition("_")[0]
    return figures | {f"{family}_{name}": max(values) for name, values in found.items()}


def common(rows: Sequence[MoveRow], peer: str) -> tuple[list[float], list[float]]:
    """Return the latencies of what ours and a peer both answered, pair by pair."""
    answered: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        usable = row.kind in SPOKEN and not row.cut_off and not row.error
        if usable and row.response_ms is not None and row.system in {OURS, peer}:
            answered.setdefault((row.dialogue, row.place), {})[row.system] = row.response_ms
    pairs = [both for both in answered.values() if len(both) == 2]
    return [both[OURS] for both in pairs], [both[peer] for both in pairs]


def void_reasons(rows: Sequence[MoveRow], stolen: float) -> list[str]:
    """Return why nothing can be said from these dialogues; an empty list if something can."""
    reasons = []
    failed = [row for row in rows if row.error]
    if not rows or len(failed) > _MOST_FAILED * len(rows):
        why = failed[0].error if failed else "nothing was said"
        reasons.append(f"{len(failed)} of {len(rows)} moves failed: {why}")
    dialogues = {(row.system, row.dialogue): row.lag_ms_p99 for row in rows}
    late = [lag for lag in dialogues.values() if lag > LATEST_MS]
    if len(late) > _MOST_FAILED * len(dialogues):
        reasons.append(
            f"in {len(late)} of {len(dialogues)} dialogues one frame in a hundred left more than "
            f"{LATEST_MS:g} ms late"
        )
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    return reasons


def _responses(rows: Sequence[MoveRow], *kinds: str) -> list[float | None]:
    return [row.response_ms for row in rows if row.kind in kinds]


def _spread(figures: dict[str, float], name: str, values: Iterable[float | None]) -> None:
    known = [value for value in values if value is not None]
    if known:
        figures[f"{name}_p50_ms"] = stats.percentile(known, 50)
    if len(known) >= TURNS_FOR_P95:
        figures[f"{name}_p95_ms"] = stats.percentile(known, 95)


def _ratio(figures: dict[str, float], name: str, cases: Sequence[bool]) -> None:
    if cases:
        figures[name] = sum(cases) / len(cases)
