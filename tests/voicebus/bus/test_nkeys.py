"""Keys in the spelling of the bus."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from voicebus.bus.nkeys import UserKey

# Made by the package nkeys 0.2.1, https://github.com/nats-io/nkeys.py; of no use anywhere else.
SEED = "SUAGJVOLTV3BH5AOKVJSUENJGX3QQNKQE6AXZDEVC3EBXE2EJ76Y2BM5HQ"
PUBLIC = "UAXWWPU2JGI6EWB2L7LRT5BL72MYUVZLGHU5NYKIFBUFKHRFBKG5CBRL"


def test_a_seed_of_the_reference_has_the_public_key_of_the_reference() -> None:
    """Two programs spell the same key the same way."""
    assert UserKey.of_seed(SEED).public == PUBLIC
    assert UserKey.of_seed(f" {SEED}\n").seed == SEED


def test_a_key_survives_being_written_down() -> None:
    """What a file holds is the key that was made."""
    key = UserKey.new()

    again = UserKey.of_seed(key.seed)

    assert again.public == key.public
    assert key.seed.startswith("SU")
    assert key.public.startswith("U")


def test_no_two_keys_are_alike() -> None:
    """Nobody has another one's key by chance."""
    assert len({UserKey.new().public for _ in range(100)}) == 100


@given(st.text(alphabet="abcXYZ0123456789-_", min_size=1))
def test_a_signature_proves_the_public_key(nonce: str) -> None:
    """Whoever knows the public key alone can check it, as the server does."""
    raw = base64.b32decode(PUBLIC)
    public = Ed25519PublicKey.from_public_bytes(raw[1:33])

    signature = base64.b64decode(UserKey.of_seed(SEED).sign(nonce))

    assert public.verify(signature, nonce.encode()) is None  # or it raises


@given(st.integers(0, len(SEED) - 1), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_letter_is_noticed(place: int, letter: str) -> None:
    """A seed that was copied badly is no other user's."""
    copied = SEED[:place] + letter + SEED[place + 1 :]

    if copied != SEED:
        with pytest.raises(ValueError, match="not the seed of a user") as refusal:
            UserKey.of_seed(copied)
        assert copied not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "S", "SU", PUBLIC, "ü" * 58, SEED * 2, SEED.lower()])
def test_what_is_no_seed_is_refused(text: str) -> None:
    """A public key, an empty file, another alphabet."""
    with pytest.raises(ValueError, match="not the seed of a user"):
        UserKey.of_seed(text)
