"""The file of the providers, and what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from schemas.llm import GenerateRequest, Message, Sampling
from services.llm.building import build
from services.llm.prices import FREE, Price
from services.llm.providers_file import ProviderConfig, read
from services.llm.quirks import QUIRKS, Kind
from services.llm.settings import LlmSettings
from tests.services.llm.upstream import replying, serving, text_event
from voicebus.errors import ConfigError

ASK = GenerateRequest(messages=(Message(role="user", content="Hello"),))
BEGUN = (*ASK.messages, Message(role="assistant", content="Well,"))
SECRET = "sk-of-the-house"

FILE = """
prefer = "cheap"
hedge_after_s = 0.4

[providers.cloud]
kind = "openai"
model = "big"
models = ["bigger"]
key_file = "cloud.key"
first_token_s = 1.5
price = {prompt = 2.0, cached = 0.2, reply = 8.0}
prices.bigger = {prompt = 4.0, reply = 20.0}

[providers.house]
kind = "vllm"
url = "http://gpu-1:8000/v1"
"""


def written(folder: Path, text: str) -> Path:
    """The file, with its key beside it."""
    (folder / "cloud.key").write_text(f"{SECRET}\n")
    path = folder / "providers.toml"
    path.write_text(text)
    return path


def test_a_file_names_providers_in_their_order(tmp_path: Path) -> None:
    """Keys are read from files of their own."""
    file = read(written(tmp_path, FILE))

    assert list(file.providers) == ["cloud", "house"]
    cloud, house = file.providers.values()
    assert (cloud.key, cloud.first_token_s, cloud.rank) == (SECRET, 1.5, "standard")
    assert (house.kind, house.rank) == ("vllm", "own")
    assert (file.prefer, file.hedge_after_s) == ("cheap", 0.4)


def test_what_costs_least_is_asked_first_where_the_file_says_so(tmp_path: Path) -> None:
    """Our own costs nothing by the token."""
    settings = LlmSettings(providers_file=str(written(tmp_path, FILE)))

    providers = build(settings)

    assert [provider.name for provider in providers.order(ASK, begun=False)] == ["house", "cloud"]
    named = msgspec.structs.replace(ASK, model="bigger")
    assert [provider.name for provider in providers.order(named, begun=False)] == ["cloud"]
    (cloud,) = providers.order(named, begun=False)
    price = cloud.price_of("bigger")
    assert price is not None
    assert price.reply == 20.0


@pytest.mark.parametrize(
    ("model", "names"),
    [("", ["a", "b"]), ("large", ["b", "a"]), ("huge", ["b", "a"]), ("other", ["b", "a"])],
)
def test_what_counts_is_the_price_of_the_model_that_is_asked_for(
    tmp_path: Path, model: str, names: list[str]
) -> None:
    """A provider whose small model is cheap may be the dearer one for a large one.

    The tier goes with it; of one that stands in for another it is that of its own model.
    """
    text = """prefer = "cheap"
        [providers.a]
        kind = "openai"
        model = "small"
        models = ["large", "huge", "other"]
        price = {prompt = 0.1, reply = 0.4}
        prices.large = {prompt = 3.0, reply = 9.0}
        prices.huge = {prompt = 3.0, reply = 20.0}
        prices.other = {prompt = 3.0, reply = 6.0}
        [providers.b]
        kind = "openai"
        model = "middle"
        models = ["large", "huge"]
        instead_of = ["other"]
        price = {prompt = 2.0, reply = 5.0}
        prices.large = {prompt = 2.0, reply = 8.0}
        prices.huge = {prompt = 2.0, reply = 9.0}
    """
    providers = build(LlmSettings(providers_file=str(written(tmp_path, text))))

    asked = msgspec.structs.replace(ASK, model=model)
    assert [provider.name for provider in providers.order(asked, begun=False)] == names


@pytest.mark.parametrize(
    ("price", "tier"),
    [
        ("{prompt = 0, reply = 0}", "free"),
        ("{prompt = 0.1, reply = 0.4}", "cheap"),
        ("{prompt = 2, reply = 8}", "standard"),
        ("{prompt = 10, reply = 50}", "premium"),
    ],
)
def test_a_price_tells_the_tier(tmp_path: Path, price: str, tier: str) -> None:
    """Unless the file says another."""
    text = f'[providers.a]\nkind = "openai"\nmodel = "m"\nprice = {price}\n'

    (told,) = read(written(tmp_path, text)).providers.values()

    assert told.rank == tier
    assert msgspec.structs.replace(told, tier="own").rank == "own"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "providers"),
        ("[providers]", "no provider"),
        ("[providers.a]\nkind = 'telepathy'", "telepathy"),
        ("[providers.a]\nkind = 'openai'", "a: set its model"),
        ("[providers.a]\nmodel = 'm'", "set its url"),
        ("[providers.a]\nkind='vllm'\nmodle = 'm'", "modle"),
        ("[providers.a]\nkind='vllm'\nkey='x'\nkey_file='cloud.key'", "one is enough"),
        ("[providers.a]\nkind='vllm'\nkey_file='none.key'", "none.key"),
        ("[providers.a]\nkind='vllm'\nfirst_token_s = 0", "first_token_s"),
        ("[providers.a]\nkind='vllm'\nprice = {prompt = -1, reply = 1}", "price"),
        ("[providers.'a b']\nkind='vllm'", "32 letters"),
        ("[providers.a", "providers.toml"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    """At the start, with what is wrong in it."""
    with pytest.raises(ConfigError, match=words) as refused:
        read(written(tmp_path, text))

    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ConfigError, match=r"none\.toml"):
        read(tmp_path / "none.toml")


def test_every_kind_has_a_row(tmp_path: Path) -> None:
    """And every row makes a provider."""
    assert set(QUIRKS) == set(get_args(Kind))
    for kind in get_args(Kind):
        text = f'[providers.a]\nkind = "{kind}"\nmodel = "m"\nurl = "http://127.0.0.1:1/v1"\n'
        settings = LlmSettings(providers_file=str(written(tmp_path, text)))
        assert build(settings).models() == ("m",)


async def asked(kind: Kind, request: GenerateRequest) -> Any:
    """What a server of this kind gets."""
    async with serving(replying(text_event("Hello", "stop"))) as upstream:
        settings = LlmSettings(kind=kind, url=upstream.url, model="m")
        engine = build(settings).first.engine
        assert [piece async for piece in engine.generate(request)]
        await engine.close()
    return upstream.bodies[0]


PLAIN = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("compatible", {"max_tokens": 120, "temperature": 0.0}),
        ("openai", {"max_completion_tokens": 120, "temperature": 0.0}),
        ("openrouter", {"max_tokens": 120, "temperature": 0.0}),
        ("gemini", {"max_tokens": 120, "temperature": 0.0, "reasoning_effort": "none"}),
        ("deepseek", {"max_tokens": 120, "temperature": 0.0, "thinking": {"type": "disabled"}}),
        ("kimi", {"max_completion_tokens": 120, "thinking": {"type": "disabled"}}),
        ("anthropic", {"max_tokens": 120, "temperature": 0.0}),
        ("ollama", {"max_tokens": 120, "temperature": 0.0}),
        ("vllm", {"max_tokens": 120, "temperature": 0.0}),
        ("llama.cpp", {"max_tokens": 120, "temperature": 0.0, "cache_prompt": True}),
    ],
)
async def test_each_kind_is_asked_in_its_own_way(kind: Kind, fields: dict[str, Any]) -> None:
    """As its documentation has it, and nothing else."""
    assert await asked(kind, ASK) == {**PLAIN, **fields}


@pytest.mark.parametrize(
    ("kind", "message", "body"),
    [
        ("deepseek", {"prefix": True}, {}),
        ("kimi", {"partial": True}, {}),
        ("vllm", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ("openai", {}, {}),
    ],
)
async def test_each_kind_is_told_in_its_own_way_to_go_on(
    kind: Kind, message: dict[str, Any], body: dict[str, Any]
) -> None:
    """Where it can."""
    sent = await asked(kind, msgspec.structs.replace(ASK, messages=BEGUN))

    assert sent["messages"][-1] == {"role": "assistant", "content": "Well,", **message}
    assert {name: sent.get(name) for name in body} == body
    assert "prefix" not in sent["messages"][0]


async def test_a_provider_that_takes_either_gets_what_the_request_asks_for() -> None:
    """Not the temperature of the settings beside it."""
    drawn = msgspec.structs.replace(ASK, sampling=Sampling(top_p=0.5))

    assert await asked("anthropic", drawn) == {**PLAIN, "max_tokens": 120, "top_p": 0.5}
    assert (await asked("compatible", drawn))["temperature"] == 0.0


def test_a_kind_alone_is_enough_to_find_its_provider() -> None:
    """With the address of its row; an address of one's own goes before it."""
    gemini = build(LlmSettings(kind="gemini", model="m", api_key="k")).first.engine
    own = build(LlmSettings(kind="vllm", url="http://gpu-1/v1", model="m")).first.engine

    assert "generativelanguage" in str(gemini._client.base_url)  # type: ignore[attr-defined]
    assert str(own._client.base_url) == "http://gpu-1/v1/"  # type: ignore[attr-defined]
    assert own.continues
    assert not gemini.continues


@pytest.mark.parametrize(
    ("chosen", "name", "price"),
    [
        (LlmSettings(kind="vllm"), "vllm", FREE),
        (LlmSettings(kind="llama.cpp"), "llama.cpp", FREE),
        (LlmSettings(engine="synthetic"), "synthetic", FREE),
        (LlmSettings(kind="gemini", model="m"), "gemini", None),
        (LlmSettings(url="http://gateway/v1"), "openai", None),
    ],
)
def test_one_without_a_file_is_known_by_its_kind_and_costs_as_that_does(
    chosen: LlmSettings, name: str, price: Price | None
) -> None:
    """A server of one's own costs nothing; of others nobody has told what they cost."""
    single = build(chosen).first

    assert (single.name, single.price_of("m")) == (name, price)


def test_what_it_costs_is_known_of_our_own_only() -> None:
    """A price that nobody wrote down is unknown, not nothing."""
    assert ProviderConfig(kind="openai", model="m").rank == "standard"
    assert ProviderConfig(kind="ollama").rank == "own"
