"""The proof of ownership that goes with a worker's durable writes."""

from __future__ import annotations

from msgspec import Struct


class Fence(Struct, frozen=True):
    """Proof of ownership that goes with a durable write.

    Fields
        subject: The claim's subject.
        epoch: Sequence that the claim must still have.
    """

    subject: str
    epoch: int

    def headers(self) -> dict[str, str]:
        """Return what makes the store refuse the write once the claim has another owner."""
        return {
            "Nats-Expected-Last-Subject-Sequence": str(self.epoch),
            "Nats-Expected-Last-Subject-Sequence-Subject": self.subject,
        }
