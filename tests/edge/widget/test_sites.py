"""The file of sites: what it may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.widget.colours import ink_on, sheet
from edge.widget.sites import Site, read_sites
from edge.widget.texts import chosen, read_texts
from voicebus.errors import ConfigError

NAMES = read_texts()["en"].keys()
DEMO = Path(__file__).parents[3] / "edge" / "widget" / "demo.toml"


def sites_of(folder: Path, text: str) -> dict[str, Site]:
    """What is read from a file with this text."""
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return read_sites(path, NAMES)


def test_a_site_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Origins, the persona and voice of its sessions, looks, words and shares."""
    sites = sites_of(
        tmp_path,
        """
        [sites.shop]
        origins = ["https://shop.example", "http://localhost:3000"]
        language = "ru"
        session = { instructions = "Sell tea.", voice = "joe", end_of_turn = { policy = "eager" } }
        colours.accent = "#7a3e9d"
        texts.ru.title = "Чайная"
        limits.sessions = 7
        visitor_limits.turns_per_min = 3
        """,
    )

    site = sites["shop"]
    visitor, everybody = site.shares
    assert site.origins == ("https://shop.example", "http://localhost:3000")
    assert (site.session.instructions, site.session.voice) == ("Sell tea.", "joe")
    assert site.session.end_of_turn.policy == "eager"
    assert site.texts == {"ru": {"title": "Чайная"}}
    assert (everybody.sessions, visitor.turns_per_min) == (7, 3)
    assert visitor.sessions is not None, "what it does not say has a limit all the same"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sites.shop", "sites.toml"),
        ("[sites.shop]", "origins"),
        ("[sites.shop]\norigins = []", "origins"),
        ('[sites.shop]\norigins = ["https://shop.example/"]', "no origin"),
        ('[sites.shop]\norigins = ["shop.example"]', "no origin"),
        ('[sites.shop]\norigins = ["https://Shop.example"]', "no origin"),
        ('[sites.shop]\norigins = ["https://shop.example:443"]', "no origin"),
        ('[sites.shop]\norigins = ["https://shop.example:x"]', "no origin"),
        ('[sites.shop]\norigins = ["*"]', "no origin"),
        ('[sites.shop]\norigins = ["null"]', "no origin"),
        ('[sites.shop]\norigins = ["ftp://shop.example"]', "no origin"),
        ('[sites."a b"]\norigins = ["self"]', "sites"),
        ('[sites.shop]\norigins = ["self"]\norigns = []', "sites.shop.origns"),
        ('[sites.shop]\norigins = ["self"]\nsession.voise = "joe"', "sites.shop.session.voise"),
        (
            '[sites.shop]\norigins = ["self"]\nsession.end_of_turn.polcy = "eager"',
            "end_of_turn.polcy",
        ),
        ('[sites.shop]\norigins = ["self"]\nlimits.session = 1', "limits.session"),
        ('[sites.shop]\norigins = ["self"]\nlimits.sessions = -1', "sessions"),
        ('[sites.shop]\norigins = ["self"]\ncolours.accent = "red;}"', "accent"),
        ('[sites.shop]\norigins = ["self"]\ntexts.en.titel = "Tea"', "texts.en.titel"),
        ('[site.shop]\norigins = ["self"]', "`site`"),
        ('[sites.shop]\norigins = ["self"]\nmode = "video"', "mode"),
    ],
)
def test_what_no_site_has_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    """A misspelt limit that is ignored protects nobody."""
    with pytest.raises(ConfigError, match=r"sites\.toml") as refused:
        sites_of(tmp_path, text)

    assert told in str(refused.value)


def test_the_demo_is_a_file_like_others() -> None:
    """Two sites, for the edge's own pages alone."""
    sites = read_sites(DEMO, NAMES)

    assert len(sites) == 2
    assert {site.origins for site in sites.values()} == {("self",)}


def test_both_languages_have_all_texts() -> None:
    """A text that is missing would be English in the middle of Russian."""
    texts = read_texts()

    assert set(texts) == {"en", "ru"}
    assert texts["ru"].keys() == texts["en"].keys()
    assert all(text.strip() for words in texts.values() for text in words.values())


@pytest.mark.parametrize(
    ("wanted", "language", "title"),
    [
        (("ru-RU", "en"), "ru", "Голосовой помощник"),
        (("", "de-AT", "en-US"), "de", "Teehaus"),
        (("tlh", "ru"), "ru", "Голосовой помощник"),
        ((), "en", "Tea house"),
        (("xx",) * 50 + ("ru",), "en", "Tea house"),
    ],
)
def test_the_first_language_that_is_known_is_spoken(
    wanted: tuple[str, ...], language: str, title: str
) -> None:
    """What a site adds counts; what it leaves out is in English."""
    sites = {"de": {"title": "Teehaus"}, "en": {"title": "Tea house"}}

    found, texts = chosen(read_texts(), sites, wanted)

    assert (found, texts["title"]) == (language, title)
    assert texts.keys() == NAMES


@pytest.mark.parametrize(
    ("colour", "ink"),
    [("#ffffff", "#000"), ("#000000", "#fff"), ("#0b6b63", "#fff"), ("#5cc8bb", "#000")],
)
def test_text_on_a_sites_colour_can_be_read(colour: str, ink: str) -> None:
    """Whichever of black and white has the higher contrast."""
    assert ink_on(colour) == ink


def test_a_site_without_colours_has_no_rules(tmp_path: Path) -> None:
    """The widget's own colours stand."""
    plain, coloured = (
        sites_of(tmp_path, f'[sites.a]\norigins = ["self"]\n{more}')["a"]
        for more in ("", 'colours.accent = "#112233"')
    )

    assert sheet(plain.colours) == ""
    assert sheet(coloured.colours).count("--accent:#112233;--on-accent:#fff") == 3
