"""Structured logs: one event per line, dotted past-tense names, session and turn by context."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog

from voicebus.redaction import Mask, MaskedFormatter, hide_words, own_secrets
from voicebus.settings import ProcessSettings


def configure_quietly() -> None:
    """Set up logging of a command: warnings, beside its output, which is for people and pipes."""
    mask = Mask(own_secrets(os.environ))
    structlog.configure(
        processors=[structlog.processors.add_log_level, hide_words, mask.after(_for_people())],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def configure(settings: ProcessSettings, part: str) -> None:
    """Set up logging of this process to standard error.

    Args:
        settings: Level and format.
        part: Name of the part, bound to every line: ``stt``, ``edge`` …
    """
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    mask = Mask(own_secrets(os.environ))
    renderer: Any = structlog.processors.JSONRenderer() if as_json else _for_people()
    exceptions: list[Any] = [structlog.processors.format_exc_info] if as_json else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_words,
            *exceptions,
            mask.after(renderer),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(part=part)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskedFormatter(mask, "%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _for_people() -> structlog.dev.ConsoleRenderer:
    # Not structlog's own choice of a traceback: it shows the local variables, and so what was said.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
