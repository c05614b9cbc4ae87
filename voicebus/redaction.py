"""What may stand in a log: no secret ever, and above debug no word that somebody said.

Three nets, because one will have a hole: fields whose names say that they hold words or sound,
bytes wherever they are, and in the finished line whatever looks like a secret or is one of the
secrets of this process's own environment.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

_WORDS: Final = frozenset(
    {
        "audio", "body", "content", "data", "digits", "greeting", "history", "instructions",
        "message", "messages", "payload", "pcm", "prompt", "reply", "said", "samples", "text",
        "transcript", "words",
    }
)  # fmt: skip
"""Fields that hold what was said, written or pressed."""

_SECRETS: Final = frozenset(
    {"authorization", "cookie", "key", "password", "secret", "seed", "token", "api_key"}
)
"""Fields that hold secrets: what is in them is not even shown at debug level."""

_PUBLIC: Final = re.compile(r"[0-9a-f]{8}")
"""The public part of an API key, which is what ``key`` names in a log."""

_SHAPES: Final = re.compile(
    r"(?P<vb>vb_[0-9a-f]{8}_)[0-9a-f]+"  # API keys of the edge
    r"|(?P<auth>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"  # RFC 9110, 11.6.2
    r"|\bS[ACNOUX][A-Z2-7]{56}\b"  # seeds of NATS nkeys
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]+"  # JSON Web Tokens, RFC 7519
    r"|\bsk-[\w-]{8,}"  # keys of OpenAI-compatible servers
    r"|\b(?:bot)?[0-9]{5,20}:[\w-]{30,}"  # tokens of Telegram's bots, also in their addresses
    r"|\bek_[\w-]{8,}(\.[\w-]+)?"  # secrets of Realtime clients
    r"|(?P<url>://[^\s/:@]*:)[^\s/@]+(?=@)"  # a password in an address
    r"|(?P<nats>\b(?:nats|tls)://)[^\s/:@]+(?=@)",  # a token in that of a bus
    re.IGNORECASE,
)
HIDDEN: Final = "[hidden]"
"""Stands where a secret was."""

_SECRET_NAME: Final = re.compile(r"(KEY|PASSWORD|SECRET|SEED|TOKEN|CREDS)$")
_SHORTEST: Final = 6
"""What is shorter would hide parts of other words."""


def is_secret(name: str) -> bool:
    """Whether a variable or a setting of this name holds a secret."""
    return _SECRET_NAME.search(name.upper()) is not None


def own_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of the environment that its names call secrets, the longest first."""
    found = {v for n, v in environ.items() if is_secret(n) and len(v) >= _SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def hide_words(
    logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace what fields of that name hold by how much it is; a structlog processor."""
    del logger
    keeps_words = method == "debug"
    for name, value in event.items():
        if name in _SECRETS:
            is_public = name == "key" and isinstance(value, str) and _PUBLIC.fullmatch(value)
            event[name] = value if is_public else HIDDEN
        elif isinstance(value, bytes | bytearray | memoryview):
            event[name] = f"[{len(value)} bytes]"
        elif name in _WORDS and not keeps_words:
            event[name] = f"[{len(value)} long]" if hasattr(value, "__len__") else HIDDEN
    return event


class Mask:
    """Hides secrets in a finished line.

    Args:
        secrets: Those that are known by themselves; others are known by their shape.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._own = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def text(self, line: str) -> str:
        """Return the line without its secrets."""
        if self._own is not None:
            line = self._own.sub(HIDDEN, line)
        return _SHAPES.sub(_shown, line)

    def after(self, render: Callable[..., Any]) -> Callable[[Any, str, Any], str]:
        """Return a structlog renderer whose lines have no secrets."""

        def rendered(logger: Any, method: str, event: Any) -> str:
            return self.text(str(render(logger, method, event)))

        return rendered


class MaskedFormatter(logging.Formatter):
    """The lines of other people's libraries, without secrets.

    Args:
        mask: Hides them.
        form: As for :class:`logging.Formatter`.
    """

    def __init__(self, mask: Mask, form: str) -> None:
        super().__init__(form)
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line, traceback included."""
        return self._mask.text(super().format(record))


def _shown(found: re.Match[str]) -> str:
    """Keep what tells of which kind the secret was."""
    return (found["vb"] or found["auth"] or found["url"] or found["nats"] or "") + HIDDEN
