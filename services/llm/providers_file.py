"""The file of the providers: who is asked, in which order, at what price. Pure but for reading it.

An example is in docs/howto/providers.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from services.llm.breaker import Rules
from services.llm.choice import Preference, Tier, tier_of
from services.llm.prices import Price
from services.llm.quirks import QUIRKS, Kind
from services.llm.settings import LlmSettings
from voicebus import toml_file
from voicebus.errors import ConfigError

Seconds = Annotated[float, Meta(gt=0)]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


class ProviderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider.

    Fields
        kind: Its row in the table of quirks.
        url: Base URL; empty for that of its kind.
        key: Its secret; empty where none is needed.
        key_file: File that holds the secret, instead; its folder is this file's.
        model: Model of requests that name none; empty for the first that it lists, which only a
            server of our own is asked for.
        models: Further models that requests may name.
        instead_of: Models of others that requests may name, and its own is taken for.
        tier: What it costs, roughly; empty: told by its price.
        price: What it costs.
        prices: What its further models cost, by their names, and in which tier they are.
        first_token_s: After so long without a first token, the next provider is asked.
        next_token_s: After so long without a further one.
        prefill: Whether it can go on behind the beginning of an answer; unset: as its kind does.
        extra_body: Further fields of each request.
    """

    kind: Kind = "compatible"
    url: str = ""
    key: str = ""
    key_file: str = ""
    model: str = ""
    models: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    tier: Tier | None = None
    price: Price | None = None
    prices: dict[str, Price] = {}
    first_token_s: Seconds = 3.0
    next_token_s: Seconds = 5.0
    prefill: bool | None = None
    extra_body: dict[str, Any] = {}

    @property
    def rank(self) -> Tier:
        """What it costs, roughly."""
        if self.tier is not None:
            return self.tier
        if self.price is None:
            return "own" if QUIRKS[self.kind].is_own else "standard"
        return tier_of(self.price)


class ProvidersFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them.

    Fields
        providers: By their names; the order is that of the file.
        prefer: ``listed`` asks in this order, ``cheap`` what costs least first: by tier, then by
            price. In the same tier one without a price comes last.
        hedge_after_s: Ask a second one besides a first that is silent for so long; 0: do not.
        failures: Who failed so many times in a row is left alone for a while.
    """

    providers: dict[str, ProviderConfig]
    prefer: Preference = "listed"
    hedge_after_s: Annotated[float, Meta(ge=0)] = 0.0
    failures: Annotated[int, Meta(ge=1)] = Rules().failures


def named_by(chosen: LlmSettings) -> ProvidersFile:
    """Read the file that the settings name.

    Raises:
        ConfigError: As of :func:`read`.
    """
    return read(Path(chosen.providers_file).expanduser())


def read(path: Path) -> ProvidersFile:
    """Read the file.

    Raises:
        ConfigError: It cannot be read, or a provider in it is not as it must be. Shows no key.
    """
    file = toml_file.read(path, ProvidersFile, "the providers")
    if not file.providers:
        raise ConfigError(f"{path}: no provider stands in it")
    providers = {name: _checked(path, name, told) for name, told in file.providers.items()}
    return msgspec.structs.replace(file, providers=providers)


def _checked(path: Path, name: str, told: ProviderConfig) -> ProviderConfig:
    where = f"{path}: provider {name}"
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{where!r}: at most 32 letters, digits, -, _")
    if not told.model and not QUIRKS[told.kind].is_own:
        raise ConfigError(f"{where}: set its model")
    if told.kind == "compatible" and not told.url:
        raise ConfigError(f"{where}: set its url, or its kind")
    if not told.key_file:
        return told
    if told.key:
        raise ConfigError(f"{where} has a key and a key_file: one is enough")
    try:
        key = (path.parent / told.key_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{where}: its key cannot be read: {err}") from err
    return msgspec.structs.replace(told, key=key)
