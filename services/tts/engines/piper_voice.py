"""What is known of a Piper voice before it is loaded: its description, beside the weights."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from voicebus.errors import ConfigError, EngineUnavailable
from voicebus.voices import Offer, Preset

_ENDS_BYTES: Final = 64 << 10
"""Read of the weights to tell two trainings of a voice apart: all of them would take a second."""

_CODE: Final = re.compile(r"[a-z]{2,3}")


class Voice(Struct, frozen=True):
    """One voice.

    Fields
        folder: Where its .onnx and .onnx.json are.
        rate_hz: Its own sample rate.
        language: ISO 639-1 code of what it speaks.
        speaker: Number of the speaker within the model.
        preset: How it speaks.
        size_bytes: Size of its weights.
    """

    folder: Path
    rate_hz: int
    language: str
    speaker: int
    preset: Preset
    size_bytes: int


def voice_of(offer: Offer, folder: Path) -> Voice:
    """Read what is to be known of a voice.

    Raises:
        EngineUnavailable: The folder does not hold a voice.
        ConfigError: The model has no such speaker.
    """
    file = config_file(folder)
    try:
        told = read_config(file)
        rate_hz = int(told["audio"]["sample_rate"])
        speakers = dict(told.get("speaker_id_map") or {})
        count = int(told.get("num_speakers") or 1)
        spoken = str(told.get("language", {}).get("code") or told["espeak"]["voice"])
        language = _CODE.match(spoken.lower())
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as err:
        raise EngineUnavailable(f"The voice in {folder.name!r} cannot be loaded.") from err
    weights = file.with_suffix("")
    return Voice(
        folder=folder,
        rate_hz=rate_hz,
        language=language.group() if language else "en",
        speaker=_speaker(offer, speakers, count),
        preset=offer.preset,
        size_bytes=weights.stat().st_size if weights.exists() else 0,
    )


def config_file(folder: Path) -> Path:
    """Return the description of the one voice in a folder.

    Raises:
        EngineUnavailable: There is none, or there are several.
    """
    found = sorted(folder.glob("*.onnx.json"))
    if len(found) != 1:
        raise EngineUnavailable(f"The folder {folder.name!r} does not hold exactly one voice.")
    return found[0]


def read_config(config: Path) -> dict[str, Any]:
    """Read a voice's description."""
    return json.loads(config.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def fingerprint_of(config: Path) -> str:
    """Return what tells a voice from others and from later trainings of it."""
    weights = config.with_suffix("")
    size = weights.stat().st_size
    digest = hashlib.sha256(config.read_bytes() + str(size).encode())
    with weights.open("rb") as file:
        digest.update(file.read(_ENDS_BYTES))
        file.seek(max(0, size - _ENDS_BYTES))
        digest.update(file.read())
    return digest.hexdigest()[:16]


def _speaker(offer: Offer, speakers: dict[str, int], count: int) -> int:
    if not offer.speaker:
        return 0
    if offer.speaker in speakers:
        return speakers[offer.speaker]
    if offer.speaker.isdecimal() and int(offer.speaker) < count:
        return int(offer.speaker)
    known = ", ".join([*speakers][:20]) or f"0 to {count - 1}"
    raise ConfigError(f"the voice {offer.model} has no speaker {offer.speaker!r}; it has {known}")
