"""From turns in which something died to figures, and to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks import stats
from benchmarks.failover_judgement import BESIDE, TurnRow
from benchmarks.figures import Bar
from benchmarks.kills import Kill
from subjects.streams import STAGES

ADDED: Final = "failover_added"
UNSUPERVISED: Final = "failover_unsupervised_added"
STOPPED: Final = "failover_stopped_added"

LIMITS: Final[Mapping[str, float]] = {
    f"{ADDED}_p95_ms": 500.0,
    f"{UNSUPERVISED}_p95_ms": 20_000.0,
    "sessions_lost": 0.0,
    "turns_failed": 0.0,
    "words_lost": 0.0,
    "words_doubled": 0.0,
    "audio_lost_ms": 0.0,
    "audio_doubled_ms": 0.0,
    "said_lost_ms": 0.0,
    "said_doubled_ms": 0.0,
    "unrecognised_ms": 0.0,
}

LATEST_MS: Final = 60.0
"""A frame that leaves later than this is noticed by the voice detector."""

_MOST_LATE: Final = 0.1
_MOST_STOLEN: Final = 0.02


def figures(rows: Sequence[TurnRow], kills: Sequence[Kill], supervisors: int) -> dict[str, float]:
    """Return what the kills have cost.

    Args:
        rows: All turns.
        kills: What was killed.
        supervisors: How many there were.
    """
    found: dict[str, float] = {"kills": float(len(kills)), "turns": float(len(rows))}
    usual = usual_ms(rows)
    name = ADDED if supervisors else UNSUPERVISED
    killed = [row for row in rows if row.sign == "kill"]
    of_workers = [row for row in killed if set(row.harm.split("+")) <= {*STAGES, "supervisor"}]
    found["turns_harmed"] = float(len([row for row in rows if row.sign]))
    _put(found, name, added(of_workers, usual))
    for kind in (*STAGES, "edge", "nats"):
        _put(found, f"failover_{kind}_added", added([r for r in killed if r.harm == kind], usual))
    _put(found, STOPPED, added([row for row in rows if row.sign == "stop"], usual))
    _put(found, "beside_added", added([row for row in rows if row.harm == BESIDE], usual))
    _put(found, "failover_redecoding", _redecoding(killed, rows))
    found |= {
        "sessions_lost": float(sum(bool(row.lost) for row in rows)),
        "turns_failed": float(sum(_failed(row) for row in rows)),
        "words_lost": float(sum(row.words_lost for row in rows)),
        "words_doubled": float(sum(row.words_doubled for row in rows)),
        "audio_lost_ms": sum(row.audio_lost_ms for row in rows),
        "audio_doubled_ms": sum(row.audio_doubled_ms for row in rows),
        "said_lost_ms": sum(row.said_lost_ms for row in rows),
        "said_doubled_ms": sum(row.said_doubled_ms for row in rows),
        "unrecognised_ms": sum(row.unrecognised_ms for row in rows),
    }
    return found


def added(rows: Sequence[TurnRow], usual: Mapping[str, float]) -> list[float]:
    """Return how much longer turns took than unharmed ones with the same recording, in ms.

    What counts is the wait for the answer and every moment in which the answer stood still. A turn
    that was never answered is in no delay: it has failed.
    """
    return [
        row.response_ms + row.stalled_ms - usual[row.recording]
        for row in rows
        if row.response_ms is not None and row.recording in usual
    ]


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(rows: Sequence[TurnRow], kills: Sequence[Kill], stolen: float) -> list[str]:
    """Return why the run decides nothing; an empty list if it does."""
    reasons = []
    usual = usual_ms(rows)
    if missing := sorted({row.recording for row in rows} - usual.keys()):
        reasons.append(f"nothing to compare with: no turn with {missing[0]} was left unharmed")
    met = {kind for row in rows for kind in row.harm.split("+")}
    spared = sorted({kill.kind for kill in kills} - {"supervisor"} - met)
    reasons += [f"no turn was harmed by the kills of {kind}" for kind in spared]
    late = sum(row.late_ms > LATEST_MS for row in rows)
    if late > _MOST_LATE * len(rows):
        reasons.append(
            f"in {late} of {len(rows)} turns the caller was more than {LATEST_MS:g} ms late"
        )
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    return reasons


def _failed(row: TurnRow) -> bool:
    return not row.lost and (row.response_ms is None or bool(row.errors))


def usual_ms(rows: Sequence[TurnRow]) -> dict[str, float]:
    """Return how long unharmed turns take, by recording."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if not row.harm and row.response_ms is not None:
            found.setdefault(row.recording, []).append(row.response_ms + row.stalled_ms)
    return {name: stats.percentile(times_ms, 50) for name, times_ms in found.items()}


def _redecoding(killed: Sequence[TurnRow], rows: Sequence[TurnRow]) -> list[float]:
    """Return how much longer the final took where the STT worker died: it is decoded once more."""
    unharmed = [row.stt_ms for row in rows if not row.harm and row.stt_ms is not None]
    if not unharmed:
        return []
    known_ms = stats.percentile(unharmed, 50)
    return [
        max(0.0, row.stt_ms - known_ms)
        for row in killed
        if row.harm == "stt" and row.stt_ms is not None
    ]


def _put(found: dict[str, float], name: str, values: Sequence[float]) -> None:
    if values:
        found[f"{name}_p50_ms"] = stats.percentile(values, 50)
        found[f"{name}_p95_ms"] = stats.percentile(values, 95)
