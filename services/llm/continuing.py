"""Going on with a reply that another worker, or another provider, has begun.

Where the model can be given the beginning of its own answer (assistant prefill), it goes on
behind it. Where it cannot, it is asked anew: as long as it says the same again, which at
temperature 0 most do, nothing of that is published, and the reply goes on behind the known words.
When it says something else, that replaces what was only read so far; a reply of which something is
spoken ends with its last clause instead, for no word is said twice. One that is only read ends with
its last word, as does one that asks for functions to be called: what was read cannot be taken back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec

from schemas.llm import GenerateRequest, Message
from services.llm.engine import Engine, Piece
from services.llm.published import Published
from services.llm.writer import CUT, Writer

Count = Callable[[str], None]
"""Is told how it is gone on with: ``continued``, ``anew``, ``cut`` or ``done``."""


async def continued(
    engine: Engine, request: GenerateRequest, published: Published, writer: Writer, count: Count
) -> AsyncGenerator[Piece, None]:
    """Stream what follows the published words; see :meth:`services.llm.engine.Engine.generate`."""
    if reason := ended(engine, request, published):
        count(CUT if reason == CUT else "done")
        yield Piece(text="", finish_reason=reason)
        return
    if not published.text.strip():
        count("anew")
        stream = engine.generate(request)
    elif engine.continues:
        count("continued")
        stream = _behind(engine, request, published)
    else:
        stream = _repeated(engine, request, published, writer, count)
    async with aclosing(stream):
        async for piece in stream:
            yield piece


def ended(engine: Engine, request: GenerateRequest, published: Published) -> str:
    """Return why a reply ends with what is published; empty where the model is to be asked."""
    if published.is_complete:
        return "stop"
    if _left(engine, request, published) < 0:
        return "length"
    return CUT if published.tool_calls else ""


def _left(engine: Engine, request: GenerateRequest, published: Published) -> int:
    """Return how many tokens the reply may have yet; 0: no bound is known, -1: none."""
    bound = request.max_tokens or engine.max_tokens
    return max(bound - published.tokens, 0) or -1 if bound else 0


async def _behind(
    engine: Engine, request: GenerateRequest, published: Published
) -> AsyncGenerator[Piece, None]:
    # The tokens of most models begin with the space in front of a word: behind a space of its own
    # a word would have to go on that no token begins.
    begun = published.text.rstrip()
    is_seam = begun != published.text
    asked = msgspec.structs.replace(
        request,
        messages=(*request.messages, Message(role="assistant", content=begun)),
        max_tokens=_left(engine, request, published),
    )
    async with aclosing(engine.generate(asked)) as stream:
        async for piece in stream:
            text = piece.text.lstrip() if is_seam else piece.text
            is_seam = is_seam and not text
            if text or piece.tool_calls or piece.finish_reason:
                yield msgspec.structs.replace(piece, text=text)


async def _repeated(
    engine: Engine, request: GenerateRequest, published: Published, writer: Writer, count: Count
) -> AsyncGenerator[Piece, None]:
    known, said = published.text, ""
    is_known = True
    async with aclosing(engine.generate(request)) as stream:
        async for piece in stream:
            if not is_known:
                yield piece
                continue
            said += piece.text
            # No words of a reply follow its calls: whatever is known behind them is not said again.
            has_more = not piece.finish_reason and not piece.tool_calls
            if has_more and len(said) < len(known) and known.startswith(said):
                continue
            is_known = False
            if said.startswith(known):
                count("continued")
                said = said.removeprefix(known)
            elif published.clauses or not request.spoken:
                count(CUT)
                yield Piece(text="", finish_reason=CUT)
                return
            else:
                count("anew")
                writer.begin_anew()
            if said or piece.tool_calls or piece.finish_reason:
                yield msgspec.structs.replace(piece, text=said)
