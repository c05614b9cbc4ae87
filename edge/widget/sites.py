"""The sites on whose pages the widget may stand, and what each of them wants it to be."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from edge.widget.colours import Colours
from edge.widget.settings import WidgetSettings
from edge.widget.texts import read_texts
from schemas.settings import Language, SessionSettings
from voicebus.errors import ConfigError
from voicebus.keys import Allowance
from voicebus.toml_file import converted

SELF: Final = "self"
"""In a list of origins: the edge's own pages."""

# A pattern's $ is also true before a line feed at the end of the text.
SiteKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
Words = Annotated[str, Meta(max_length=2_000)]

_SITE: Final = Allowance(
    sessions=100,
    connections_per_min=1_200,
    audio_s_per_min=7_200,
    turns_per_min=600,
    tokens_per_min=100_000,
)
_VISITOR: Final = Allowance(
    sessions=4,
    connections_per_min=120,
    audio_s_per_min=300,
    turns_per_min=60,
    tokens_per_min=10_000,
)


class Site(Struct, frozen=True, kw_only=True):
    """One site, or one of several widgets of a site.

    Fields
        origins: Of the pages that may have it: scheme, host and, where it is not the scheme's own,
            port; ``self`` for the edge's own pages.
        session: Its sessions: persona (``instructions``), voice, language … What it does not set
            is not for the page to choose, but for the language.
        mode: ``voice`` for speech and writing, ``text`` for writing alone.
        language: Of the texts; empty: the page's.
        colours: Its colours.
        texts: By language, what it says in other words than the widget's own.
        limits: What all visitors together may use up.
        visitor_limits: What one address may use up.
    """

    origins: Annotated[tuple[str, ...], Meta(min_length=1)]
    session: SessionSettings = SessionSettings()
    mode: Literal["voice", "text"] = "voice"
    language: Language = ""
    colours: Colours = Colours()
    texts: dict[Language, dict[str, Words]] = {}
    limits: Allowance = Allowance()
    visitor_limits: Allowance = Allowance()

    def __post_init__(self) -> None:
        """Refuse what is no origin."""
        for origin in self.origins:
            if origin != SELF and not _is_origin(origin):
                raise ValueError(f"{origin!r} is no origin such as https://shop.example")

    @property
    def shares(self) -> tuple[Allowance, Allowance]:
        """What one visitor and what all of them may use up."""
        return self.visitor_limits.over(_VISITOR), self.limits.over(_SITE)


class _File(Struct, frozen=True, kw_only=True):
    """A file of sites."""

    sites: dict[SiteKey, Site] = {}


def named_by(settings: WidgetSettings) -> dict[str, Site]:
    """Read the file that the settings name.

    Raises:
        ConfigError: As of :func:`read_sites`.
    """
    return read_sites(Path(settings.sites_file).expanduser(), read_texts()["en"].keys())


def read_sites(path: Path, names: Collection[str]) -> dict[str, Site]:
    """Read a file of sites.

    Args:
        path: The file.
        names: Of all texts of the widget.

    Raises:
        ConfigError: It cannot be read, or says something that no site has.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"the sites in {path} cannot be read: {err.strerror or err}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: {err}") from err
    try:
        _expect_known(told, _File, "")
        sites = converted(told, _File).sites
        for key, site in sites.items():
            for language, words in site.texts.items():
                for name in words.keys() - set(names):
                    raise ValueError(f"there is no text `sites.{key}.texts.{language}.{name}`")
        return sites
    except (msgspec.ValidationError, ValueError) as err:
        raise ConfigError(f"{path}: {err}") from err


def _expect_known(told: Mapping[str, Any], kind: type[Struct], before: str) -> None:
    """Refuse misspelt names, which would be ignored: messages on the bus are read like that.

    Raises:
        ValueError: There is one.
    """
    hints = get_type_hints(kind)
    for name, value in told.items():
        place = f"{before}{name}"
        if name not in hints:
            raise ValueError(f"there is no setting `{place}`")
        inner = hints[name]
        if not isinstance(value, dict):
            continue
        if isinstance(inner, type) and issubclass(inner, Struct):
            _expect_known(value, inner, f"{place}.")
        elif name == "sites":
            for key, site in value.items():
                if isinstance(site, dict):
                    _expect_known(site, Site, f"{place}.{key}.")


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    written = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    # As a browser writes it: anything else would never be met.
    return default is not None and bool(host) and port != default and written == text
