"""Who a process is to the bus, and how it makes sure that the bus is the bus."""

from __future__ import annotations

import ssl
from pathlib import Path

from msgspec import Struct

from subjects.inboxes import inbox_of
from subjects.tokens import new_token
from voicebus.bus.nkeys import UserKey
from voicebus.errors import ConfigError
from voicebus.settings import BusSettings


class Identity(Struct, frozen=True):
    """Who a process is.

    Fields
        key: Its key pair; None where the bus has no users, or passwords.
        inbox: Head of the subjects on which it takes answers. It begins with the public key, and
            nobody else may listen there.
    """

    key: UserKey | None
    inbox: str


def identify(settings: BusSettings) -> Identity:
    """Return who this process is.

    Raises:
        ConfigError: The seed cannot be read, or is none.
    """
    if not settings.nats_nkey_file:
        return Identity(None, inbox_of(new_token("")))
    try:
        key = UserKey.of_seed(Path(settings.nats_nkey_file).read_text(encoding="ascii"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"VOICEBUS_NATS_NKEY_FILE={settings.nats_nkey_file!r}: {err}") from err
    return Identity(key, f"{inbox_of(key.public)}.{new_token('')}")


def tls_of(settings: BusSettings) -> ssl.SSLContext | None:
    """Return how the connection is encrypted; None: it is not.

    Raises:
        ConfigError: A certificate cannot be used.
    """
    wanted = any(url.strip().startswith("tls://") for url in settings.nats_url.split(","))
    if not (wanted or settings.nats_ca_file or settings.nats_cert_file):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.nats_ca_file or None)
        if settings.nats_cert_file:
            context.load_cert_chain(settings.nats_cert_file, settings.nats_cert_key_file or None)
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(f"the certificates of the bus cannot be used: {err}") from err
    return context
