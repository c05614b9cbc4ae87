"""What an author wrote, before anybody has read it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from schemas.codec import MalformedMessage, decode
from schemas.persona import PersonaKept, Traits
from voicebus.bus.replay import Recorded
from voicebus.errors import ConfigError

MAX_BYTES: Final = 64 * 1024
"""Largest file of a persona."""


def version_of(text: str) -> str:
    """Return the version of a text: the same text has the same one everywhere."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_text(path: Path) -> str | None:
    """Return what a persona's file says; None where there is none. May block.

    Raises:
        ConfigError: It cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1).decode()
    except FileNotFoundError:
        return None
    except OSError as err:
        raise ConfigError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: this is no text in UTF-8: {err.reason}") from err


def kept_text(message: Recorded) -> str:
    """Return what the bucket has: by ``voicebus persona push``, or by ``nats kv put``."""
    try:
        event = decode(message.payload)
    except MalformedMessage:
        return message.payload.decode(errors="replace")
    return event.text if isinstance(event, PersonaKept) else ""


def read(text: str, name: str, where: str) -> Traits:
    """Read a persona; see :func:`voicebus.personas.reading.read_persona`.

    Raises:
        ConfigError: It has an error, or what reads it is not installed.
    """
    try:
        # Who has no personas loads no YAML.
        from voicebus.personas.reading import read_persona  # noqa: PLC0415
    except ModuleNotFoundError as err:
        raise ConfigError(
            f"personas need {err.name}, which is not installed: see README, extras"
        ) from err
    return read_persona(text, name, where)
