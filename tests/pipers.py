"""Piper's voices, for tests."""

from __future__ import annotations

from pathlib import Path

from services.tts.engines.piper import PiperSettings, PiperVoiceSettings
from tests.models import model_path
from voicebus.voices import Offer

JOE = "en_US-joe-medium"


def joe(name: str = "joe") -> PiperSettings:
    """The voice that comes with the project."""
    return voices_in({name: model_path(f"piper-{JOE}")})


def voices_in(folders: dict[str, Path]) -> PiperSettings:
    """One voice of each folder, as it is."""
    return PiperSettings(
        voices=tuple(
            PiperVoiceSettings(offer=Offer(name, folder.name), folder=folder)
            for name, folder in folders.items()
        )
    )
