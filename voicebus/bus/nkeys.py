"""NKeys: Ed25519 key pairs in the bus's own spelling, to prove who a process is.

The server knows the public key and sends a number that it has never sent before; whoever signs it
has the seed. No secret travels, and none is in the server's configuration.

The package ``nkeys`` is not used: it comes as source only, and what is installed here comes as
wheels with hashes.

Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth
and https://github.com/nats-io/nkeys (the spelling)
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SEED: Final = 18 << 3  # reads as "S" in base32
_USER: Final = 20 << 3  # reads as "U"
_SEED_HEAD: Final = bytes((_SEED | _USER >> 5, (_USER & 31) << 3))  # that it is one, and of what
_SECRET_BYTES: Final = 32
_SEED_BYTES: Final = 2 + _SECRET_BYTES + 2


class UserKey:
    """A user's key pair.

    Attributes:
        public: The public key as the server's configuration names it: ``U`` and 55 letters.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public: Final = _spelt(bytes([_USER]) + public)

    @classmethod
    def new(cls) -> Self:
        """Make a key pair that nobody else has."""
        return cls(secrets.token_bytes(_SECRET_BYTES))

    @classmethod
    def of_seed(cls, seed: str) -> Self:
        """Return the key pair of a seed.

        Raises:
            ValueError: It is not the seed of a user. The message does not repeat it.
        """
        text = seed.strip()
        try:
            raw = base64.b32decode(text + "=" * (-len(text) % 8))
        except ValueError as err:
            raise ValueError("not the seed of a user of the bus") from err
        # Spelling it again checks the last two bytes, a checksum, and the bits that stand for none.
        is_whole = len(raw) == _SEED_BYTES and _spelt(raw[:-2]) == text
        if not is_whole or not raw.startswith(_SEED_HEAD):
            raise ValueError("not the seed of a user of the bus")
        return cls(raw[2:-2])

    @property
    def seed(self) -> str:
        """The secret: ``SU`` and 56 letters."""
        return _spelt(_SEED_HEAD + self._secret)

    def sign(self, nonce: str) -> bytes:
        """Sign the server's number; the signature is in base64, as the protocol wants it."""
        return base64.b64encode(self._private.sign(nonce.encode()))


def _spelt(raw: bytes) -> str:
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).rstrip(b"=").decode()
