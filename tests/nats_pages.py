"""What a NATS server might say of itself."""

from __future__ import annotations

from voicebus.nats_documents import Account, Connz, Jsz, ServerPages, StreamDetail, Varz
from voicebus.nats_metrics import Asked


def said_by(name: str, *streams: StreamDetail) -> Asked:
    """A server that does nothing, with these streams."""
    varz = Varz(
        server_name=name, version="2", mem=0, cpu=0, connections=0, total_connections=0,
        subscriptions=0, in_msgs=0, out_msgs=0, in_bytes=0, out_bytes=0, slow_consumers=0,
    )  # fmt: skip
    jsz = Jsz(account_details=(Account(name="A", stream_detail=streams),))
    return Asked(name, ServerPages(varz=varz, jsz=jsz, connz=Connz()))
