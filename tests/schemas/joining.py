"""Examples of the messages by which sessions join conversations."""

from __future__ import annotations

from typing import Final

from schemas.conversation import (
    ConversationKept,
    Exchange,
    Joined,
    LinkAsked,
    LinkKept,
    LinkMade,
)
from schemas.event import Event
from schemas.llm import Tool, ToolCall
from schemas.persona import FaqKept, Instant, PersonaKept, Tools, Traits
from schemas.settings import SessionSettings
from schemas.tool import CallsAsked, CallsBegun, CallsEnded, ToolDone, ToolRequest, ToolsKept

_SETTINGS: Final = SessionSettings(instructions="Be brief.", language="en", voice="joe")

JOINING: Final[tuple[Event, ...]] = (
    Joined(
        conversation="c1",
        settings=_SETTINGS,
        exchanges=3,
        forgotten=1,
        persona=Traits(
            name="shop",
            version="0a1b",
            settings=_SETTINGS,
            model="m",
            temperature=0.5,
            faq=Instant(least=90),
            tools=Tools(allow=("time",)),
            summaries="on",
        ),
        epoch=7,
    ),
    LinkAsked(digest="2c3d", seq=-4),
    LinkMade(digest="2c3d", expires_s=300, epoch=7),
    LinkKept(conversation="c1", session="e1.s1"),
    ConversationKept(
        owners=("0a1b",),
        settings=_SETTINGS,
        exchanges=(Exchange(session="s1", turn=1, user="hello", assistant="Good day."),),
        is_cut=True,
        forgotten=1,
        facts=("Likes mint tea.",),
        summary="They greeted.",
    ),
    PersonaKept(text="Be brief."),
    FaqKept(version="0a1b", parts=2, questions=3, data=b"x", seq=1),
    CallsAsked(
        text="Let me see.",
        calls=(ToolCall(id="c1", name="tea_stock", arguments="{}"),),
        deltas=3,
        clauses=1,
        turn=2,
        epoch=7,
    ),
    CallsBegun(turn=2, seq=1, epoch=7),
    CallsEnded(turn=2, seq=1, epoch=7),
    ToolRequest(
        round=1,
        server="tea",
        name="stock",
        arguments="{}",
        call="c1",
        timeout_s=3.0,
        repeatable=True,
        turn=2,
    ),
    ToolDone(round=1, content="Seven.", failed=True, ms=3.5, turn=2, epoch=9),
    ToolsKept(tools=(Tool(name="stock"),), repeatable=("stock",), timeout_s=3.0),
)
