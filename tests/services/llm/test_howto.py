"""docs/howto/providers.md: what stands there works."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from services.llm.building import build
from services.llm.providers import Providers
from services.llm.providers_file import read
from services.llm.quirks import QUIRKS, Kind
from services.llm.settings import SCOPE, LlmSettings
from tests.services.llm.providing import saying
from tests.services.llm.test_without_tools import ASK, answered
from tests.services.llm.upstream import Script, failing, serving
from tests.test_house_rules import ROOT
from voicebus import metrics, settings
from voicebus.env_file import read_env_file

PAGE = (ROOT / "docs" / "howto" / "providers.md").read_text(encoding="utf-8")
PLAIN = replace(ASK, tools=())


def blocks(language: str) -> list[str]:
    """The blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def table(head: str) -> list[list[str]]:
    """The cells of a table, without its head."""
    (found,) = re.findall(rf"^\| {head}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in found.splitlines()]


def file_of_the_page(folder: Path, *addresses: str) -> Path:
    """The file of the providers, with its key, and with other addresses where some are given."""
    (text,) = blocks("toml")
    if addresses:
        house, cloud, gateway = addresses
        text = text.replace("http://gpu-1:8000/v1", house)
        text = text.replace('kind = "openai"', f'kind = "openai"\nurl = "{cloud}"')
        text = text.replace("http://gateway:4000/v1", gateway)
    (folder / "cloud.key").write_text("sk-of-the-page\n")
    (folder / "providers.toml").write_text(text)
    return folder / "providers.toml"


@pytest.mark.parametrize("block", blocks("ini"))
def test_the_settings_of_the_page_name_a_provider(tmp_path: Path, block: str) -> None:
    """As a process reads them."""
    (tmp_path / ".env").write_text(block, encoding="utf-8")

    chosen = settings.read(LlmSettings, read_env_file(tmp_path / ".env"), SCOPE)

    assert build(chosen).first.name == chosen.kind != "compatible"


def test_every_setting_that_is_named_is_there() -> None:
    """Also those between the lines."""
    known = {f"VOICEBUS_{SCOPE}{name.upper()}" for name in LlmSettings.__struct_fields__}

    assert set(re.findall(rf"VOICEBUS_{SCOPE}\w+", PAGE)) <= known


def test_the_table_of_kinds_says_what_the_table_of_quirks_does() -> None:
    """All of them, where each is, and what becomes of a reply that was cut."""
    rows = {re.findall(r"`([\w.]+)`", row[0])[0]: row[1:] for row in table("kind")}

    assert set(rows) == set(QUIRKS)
    for kind, (address, cut) in rows.items():
        known: Kind = kind
        url = urlsplit(QUIRKS[known].url)
        if url.hostname == "127.0.0.1" and kind != "compatible":
            assert address == f"this machine, port {url.port}"
        elif kind != "compatible":
            assert address == url.hostname
        assert cut.startswith("gone on with") == (QUIRKS[known].prefill is not None)


def test_the_file_of_the_page_is_read_as_it_says(tmp_path: Path) -> None:
    """In its order, with its key, its prices and its tiers."""
    path = file_of_the_page(tmp_path)
    house, cloud, gateway = read(path).providers.values()
    providers = build(LlmSettings(providers_file=str(path)))

    assert (cloud.key, cloud.rank, gateway.rank, house.rank) == (
        *("sk-of-the-page", "standard", "free", "own"),
    )
    assert [one.name for one in providers.order(PLAIN, begun=False)] == [
        *("house", "cloud", "gateway")
    ]
    large = replace(PLAIN, model="a-large-model")
    (only,) = providers.order(large, begun=False)
    price = only.price_of("a-large-model")
    assert (only.name, price and price.reply) == ("cloud", 8.0)


@pytest.mark.parametrize(
    ("scripts", "model", "answers", "asked"),
    [
        (("house", "cloud", "gateway"), "", "house", ["house"]),
        (("", "cloud", "gateway"), "", "cloud", ["house", "cloud"]),
        (("", "", "gateway"), "", "gateway", ["house", "cloud", "gateway"]),
        (("house", "cloud", "gateway"), "a-large-model", "cloud", ["cloud"]),
        (("house", "", "gateway"), "a-small-model", "gateway", ["cloud", "gateway"]),
    ],
)
async def test_the_providers_of_the_page_are_asked_as_it_says(
    tmp_path: Path, scripts: tuple[str, ...], model: str, answers: str, asked: list[str]
) -> None:
    """The next one where one fails; by the model's name those that serve it, or stand in for it."""
    chosen: list[Script] = [saying(name) if name else failing(503, {}) for name in scripts]
    async with AsyncExitStack() as stack:
        upstreams = [await stack.enter_async_context(serving(script)) for script in chosen]
        path = file_of_the_page(tmp_path, *(upstream.url for upstream in upstreams))
        providers: Providers = build(LlmSettings(providers_file=str(path)))
        text, whom = await answered(providers, replace(PLAIN, model=model))
        await providers.close()

    assert (text, whom) == (answers, asked)
    assert [bool(upstream.bodies) for upstream in upstreams] == [
        name in asked for name in ("house", "cloud", "gateway")
    ]


def test_what_the_page_says_is_seen_is_there() -> None:
    """Metrics by their names, and lines of the log by theirs."""
    exported = {
        name
        for metric in vars(metrics).values()
        if hasattr(metric, "describe")
        for family in metric.describe()
        for name in (family.name, f"{family.name}_total")
    }
    written = "".join(path.read_text() for path in (ROOT / "services" / "llm").rglob("*.py"))
    events = re.findall(r"`((?:engine|provider)\.\w+)`", PAGE)

    assert set(re.findall(r"voicebus_llm_\w+", PAGE)) <= exported
    assert len(events) >= 4
    assert [event for event in events if f'"{event}"' not in written] == []
