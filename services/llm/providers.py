"""The providers of a worker: which are there, how each has done lately, whom to ask next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from schemas.llm import GenerateRequest
from services.llm import breaker, choice, prices
from services.llm.breaker import CLOSED, Breaker, Rules
from services.llm.choice import Candidate, Preference, Tier
from services.llm.engine import Engine
from services.llm.prices import Price
from voicebus import metrics
from voicebus.errors import EngineError, RequestRefused, UnknownModel

log: Final = structlog.get_logger()

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_NOT_YET_S: Final = float("inf")
"""One that was not warm yet is asked last, until it is or has answered all the same."""


class Provider(Struct, frozen=True, kw_only=True):
    """Somebody who writes replies.

    Fields
        name: By what logs, metrics and usage events know it.
        engine: Asks it.
        models: What it serves besides what its engine knows of.
        instead_of: Models of others for which its own may stand in.
        tier: What its models cost, roughly, that have no price of their own.
        price: Of every model that has none of its own; None where it is not known.
        prices: Those of its models.
    """

    name: str
    engine: Engine
    models: tuple[str, ...] = ()
    instead_of: tuple[str, ...] = ()
    tier: Tier = "standard"
    price: Price | None = None
    prices: dict[str, Price] = {}

    def model_of(self, request: GenerateRequest) -> str:
        """Return the model that it is asked for."""
        is_meant = request.model and request.model not in self.instead_of
        return request.model if is_meant else self.engine.model

    def takes_tools(self, request: GenerateRequest) -> bool:
        """Say whether the model that it is asked for takes functions, as far as it is known."""
        return self.engine.takes_tools(self.model_of(request))

    def serves(self) -> tuple[str, ...]:
        """Return the models that may be asked for by their names, as far as it is known."""
        return tuple(dict.fromkeys((*self.engine.models, *self.models)))

    def price_of(self, model: str) -> Price | None:
        """Return what a model costs; None where it is not known."""
        return self.prices.get(model, self.price)

    def tier_of(self, model: str) -> Tier:
        """Return what a model costs, roughly."""
        own = self.prices.get(model)
        return self.tier if own is None else choice.tier_of(own)


def alone(engine: Engine) -> Providers:
    """Return the only provider that there is: it is always asked."""
    return Providers([Provider(name=engine.name, engine=engine)])


class Providers:
    """Owns what is known of each provider's health.

    Args:
        listed: The providers, in their order. None is there twice.
        prefer: What comes first.
        hedge_after_s: When a second one is asked besides the first, if that is still silent; 0:
            only once the first has failed.
        rules: When one is left alone.
        clock: The time, in seconds.
    """

    def __init__(
        self,
        listed: Sequence[Provider],
        *,
        prefer: Preference = "listed",
        hedge_after_s: float = 0.0,
        rules: Rules = Rules(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hedge_after_s: Final = hedge_after_s
        self._listed: Final = {provider.name: provider for provider in listed}
        self._prefer: Final = prefer
        self._rules: Final = rules
        self._clock: Final = clock
        self._breakers = dict.fromkeys(self._listed, CLOSED)
        self._warming: list[asyncio.Task[None]] = []

    @property
    def first(self) -> Provider:
        """The one that stands first in the list."""
        return next(iter(self._listed.values()))

    @property
    def shown(self) -> str:
        """The providers for people."""
        if len(self._listed) > 1:
            return ", ".join(self._listed)
        engine = self.first.engine
        return f"{engine.name} {engine.model}".strip()

    def models(self) -> tuple[str, ...]:
        """Return every model that may be asked for by its name; the default one first."""
        served = (model for provider in self._listed.values() for model in provider.serves())
        return tuple(dict.fromkeys(served))

    def order(self, request: GenerateRequest, *, begun: bool) -> list[Provider]:
        """Return whom to ask for a reply, the first one first."""
        if len(self._listed) == 1:
            return [self.first]
        names = choice.order(
            (self._candidate(provider, request) for provider in self._listed.values()),
            now_s=self._clock(),
            model=request.model,
            prefer=self._prefer,
            begun=begun,
        )
        return [self._listed[name] for name in names]

    def asked(self, provider: Provider) -> None:
        """A request is sent to it."""
        known = self._breakers[provider.name]
        self._breakers[provider.name] = breaker.asked(known, self._clock())

    def answered(self, provider: Provider) -> None:
        """It has answered to the end, or for as long as somebody listened."""
        if self._breakers[provider.name].until_s:
            log.info("provider.back", provider=provider.name)
        self._note(provider, CLOSED)

    def left(self, provider: Provider) -> None:
        """Nobody waited for its answer."""
        self._breakers[provider.name] = breaker.left(self._breakers[provider.name])

    def failed(self, provider: Provider, error: EngineError, request: GenerateRequest) -> None:
        """It has failed. What was wrong with the request is no failure of its.

        Who is the only one is asked all the same.
        """
        if len(self._listed) == 1:
            return
        asked_by_name = bool(request.model) and isinstance(error, UnknownModel)
        if asked_by_name or isinstance(error, RequestRefused):
            self.left(provider)
            return
        known, now_s = self._breakers[provider.name], self._clock()
        after = breaker.failed(known, now_s, self._rules, error.retry_after_s)
        if after.until_s > known.until_s:
            alone_s = round(after.until_s - now_s, 1)
            log.warning("provider.left_alone", provider=provider.name, for_s=alone_s)
        self._note(provider, after)

    async def warm(self) -> None:
        """Warm all of them; return as soon as one can be asked.

        The others are waited for meanwhile, as long as it takes: until then they come last.

        Raises:
            EngineError: Not one of them will ever answer as it is set up.
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._breakers = dict.fromkeys(self._listed, Breaker(until_s=_NOT_YET_S))
        self._warming = [
            asyncio.create_task(self._warm_one(provider, first))
            for provider in self._listed.values()
        ]
        everybody = asyncio.gather(*self._warming, return_exceptions=True)
        await asyncio.wait((first, everybody), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            raise next(error for error in await everybody if error is not None)

    async def close(self) -> None:
        """Give back connections."""
        for task in self._warming:
            task.cancel()
        if self._warming:
            await asyncio.wait(self._warming)
        for provider in self._listed.values():
            await provider.engine.close()

    async def _warm_one(self, provider: Provider, first: asyncio.Future[None]) -> None:
        doubled_s = _FIRST_PAUSE_S
        while True:
            pause_s = doubled_s
            try:
                await provider.engine.warm()
            except EngineError as err:
                # A turn's answer may have said meanwhile that it is well: that counts for more.
                self._note(provider, self._breakers[provider.name])
                pause_s = max(pause_s, min(err.retry_after_s, self._rules.most_asked_s))
                if not err.retryable:
                    log.error("provider.unusable", provider=provider.name, reason=str(err))
                    raise
                told = {"provider": provider.name, "reason": str(err)}
                log.warning("engine.awaited", **told, again_in_s=pause_s)
            else:
                self._note(provider, CLOSED)
                with suppress(asyncio.InvalidStateError):
                    first.set_result(None)
                return
            await asyncio.sleep(pause_s)
            doubled_s = min(2 * doubled_s, _LONGEST_PAUSE_S)

    def _candidate(self, provider: Provider, request: GenerateRequest) -> Candidate:
        model = provider.model_of(request)
        return Candidate(
            name=provider.name,
            models=frozenset((*provider.serves(), *provider.instead_of)),
            continues=provider.engine.continues,
            takes_tools=not request.tools or provider.takes_tools(request),
            tier=provider.tier_of(model),
            price=prices.typical(provider.price_of(model)),
            breaker=self._breakers[provider.name],
        )

    def _note(self, provider: Provider, known: Breaker) -> None:
        if len(self._listed) == 1:
            known = CLOSED  # nobody else is there to be asked in its place
        self._breakers[provider.name] = known
        metrics.LLM_PROVIDER_OPEN.labels(provider.name).set(bool(known.until_s))
