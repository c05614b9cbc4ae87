"""The voices that a worker offers, as its settings name them. Pure.

``joe = en_US-joe-medium, p12 = en_US-libritts-high#p3922 @ calm, en_US-amy-medium @ 1.1:0.8``: a
name, if the voice is to have one of its own; its model; one of the model's speakers; and a preset,
or a speed and a temperature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from voicebus.errors import ConfigError


class Preset(Struct, frozen=True):
    """How a voice speaks.

    Fields
        speed: 1.0 is the model's own, 2.0 twice as fast; what a session asks for comes on top.
        temperature: How much it varies pitch and rhythm: 1.0 as the model was made.
    """

    speed: float = 1.0
    temperature: float = 1.0


PRESETS: Final[Mapping[str, Preset]] = {
    "calm": Preset(0.92, 0.6),
    "lively": Preset(1.06, 1.3),
    "slow": Preset(0.8, 1.0),
    "quick": Preset(1.25, 1.0),
}


class Offer(Struct, frozen=True):
    """One voice.

    Fields
        name: As sessions ask for it.
        model: What it is made with.
        speaker: One of the model's speakers; empty for its first one.
        preset: How it speaks.
    """

    name: str
    model: str
    speaker: str = ""
    preset: Preset = Preset()


_OFFER: Final = re.compile(
    r"(?:(?P<name>[\w.-]+)\s*=\s*)?(?P<model>[\w.-]+)(?:\s*#\s*(?P<speaker>[\w.-]+))?"
    r"(?:\s*@\s*(?P<preset>[a-z]+|[\d.]+:[\d.]+))?"
)
_SPEEDS: Final = (0.5, 2.0)
_TEMPERATURES: Final = (0.0, 2.0)


def offers(listed: str) -> tuple[Offer, ...]:
    """Return the voices of a list, in its order: the first is the default.

    A voice without a name of its own is called by its model, speaker and preset: ``amy.p2.calm``.

    Raises:
        ConfigError: The list cannot be read, has a name twice, or none.
    """
    found = tuple(_offer(part.strip()) for part in listed.split(",") if part.strip())
    names = [offer.name for offer in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two voices have the name {', '.join(twice)}")
    if not found:
        raise ConfigError("at least one voice is needed")
    return found


def _offer(written: str) -> Offer:
    match = _OFFER.fullmatch(written)
    if match is None:
        raise ConfigError(f"not a voice: {written!r}; it is [NAME=]MODEL[#SPEAKER][@PRESET]")
    model, speaker, preset = match["model"], match["speaker"] or "", match["preset"] or ""
    how = preset.replace(":", "-")
    name = match["name"] or ".".join(part for part in (model, speaker, how) if part)
    return Offer(name, model, speaker, _preset(preset))


def _preset(written: str) -> Preset:
    if not written:
        return Preset()
    if ":" not in written:
        if written not in PRESETS:
            raise ConfigError(f"no preset: {written!r}; there are {', '.join(PRESETS)}")
        return PRESETS[written]
    try:
        speed, temperature = (float(part) for part in written.split(":"))
    except ValueError as err:
        raise ConfigError(f"not a speed and a temperature: {written!r}") from err
    for what, value, (low, high) in (
        ("speed", speed, _SPEEDS),
        ("temperature", temperature, _TEMPERATURES),
    ):
        if not low <= value <= high:
            raise ConfigError(f"a {what} is from {low:g} to {high:g}, not {value:g}")
    return Preset(speed, temperature)
