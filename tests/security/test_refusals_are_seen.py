"""A refusal is an answer to nobody: the process that meets one must say so itself."""

from __future__ import annotations

from tests.secured import Secured
from voicebus import metrics
from voicebus.bus.client import Bus


def refused() -> float:
    """How many refusals this process has counted."""
    return next(
        sample.value
        for metric in metrics.BUS_REFUSED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def _ask(bus: Bus) -> None:
    await bus.publish_raw("$JS.API.STREAM.PURGE.AUDIO", b"")
    async with bus.listen("vb.test.up.>"):
        await bus.flush()


async def test_a_refusal_is_counted(secured: Secured) -> None:
    """Of a publication as of a subscription."""
    before = refused()

    async with secured.bus("edge-two") as bus:
        await _ask(bus)

    assert refused() == before + 2
