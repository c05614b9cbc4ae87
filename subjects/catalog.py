"""The one table: which message travels on which subject, and which stream records it.

Subjects of a session have the form ``vb.<cell>.<direction>.<edge>.<session>.<leaf>``: ``up`` from
the client, ``dn`` to the edge. Who publishes gives a message, so that the pair cannot mismatch.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from schemas import telegram, tool, voice
from schemas.audio import AudioChunk, AudioEnded
from schemas.claim import Claimed, ClaimLeft, Demand, DrainAsked, Presence
from schemas.conversation import ConversationKept, Joined, LinkAsked, LinkKept, LinkMade
from schemas.dead import DeadLetter
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import (
    ClauseReady,
    GenerateRequest,
    GenerationDone,
    SummariseRequest,
    SummaryMade,
    TokenDelta,
)
from schemas.persona import FaqKept, PersonaKept
from schemas.session import (
    AnswerAsked,
    CancelAsked,
    ClientLost,
    ClientReturned,
    ForgetAsked,
    KeysPressed,
    PlaybackEnded,
    Played,
    SessionClosed,
    SessionOpened,
    TurnTakingSet,
    UserText,
)
from schemas.stt import (
    AudioConsumed,
    PassageCut,
    PassageRecognised,
    RecogniseRequest,
    SilenceHeard,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from schemas.turn import (
    ConverseRequest,
    HangUp,
    NothingHeard,
    ReplyPaused,
    ReplyResumed,
    Resumed,
    SessionMoved,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from schemas.usage import TokensUsed

ROOT: Final = "vb"
PERSONAS: Final = "personas"
"""The key-value bucket of what authors write: stream and subjects are named as NATS wants it."""


class Route(Struct, frozen=True):
    """One row of the table.

    Fields
        pattern: Subject with the names of what is to be filled in, in braces.
        stream: Name of the stream that records it; empty for what is not recorded.
        writers: The roles that publish it: those of workers, and ``edge``, ``admin`` …
        readers: The roles that listen.
        rereaders: The roles that read it back from its stream: after a gap, on a takeover.
        lookers: The roles that read only the newest of a subject back, and have to know it.
        fenced: True when the store refuses it from a worker that no longer owns the session.
    """

    pattern: str
    stream: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    rereaders: tuple[str, ...] = ()
    lookers: tuple[str, ...] = ()
    fenced: bool = False


def _up(leaf: str, stream: str, readers: str, again: str = "") -> Route:
    pattern = f"{ROOT}.{{cell}}.up.{{edge}}.{{session}}.{leaf}"
    return Route(pattern, stream, ("edge",), tuple(readers.split()), tuple(again.split()))


def _dn(leaf: str, stream: str, writers: str, readers: str, again: str = "") -> Route:
    pattern = f"{ROOT}.{{cell}}.dn.{{edge}}.{{session}}.{leaf}"
    write, hear, read = (tuple(roles.split()) for roles in (writers, readers, again))
    is_fenced = stream == "SESSION" and leaf != "failure"
    return Route(pattern, stream, write, hear, read, fenced=is_fenced)


def _job(role: str, writers: str) -> Route:
    pattern = f"{ROOT}.{{cell}}.job.{role}.{{edge}}.{{session}}.{{job}}"
    return Route(pattern, "JOBS", tuple(writers.split()), (role,))


def _kept(leaf: str, stream: str, readers: tuple[str, ...]) -> Route:
    pattern = f"{ROOT}.{{cell}}.{leaf}.{{secret}}"
    return Route(pattern, stream, ("turn",), readers, lookers=("turn",))


def _authored(leaf: str, writer: str = "admin") -> Route:
    subject, stream = f"$KV.{PERSONAS}.{{cell}}.{leaf}{{item}}", f"KV_{PERSONAS}"
    return Route(subject, stream, (writer,), (), ("turn",), ("turn", writer))


def _heard_again(leaf: str, stream: str, writer: str) -> Route:
    return Route(f"{ROOT}.{{cell}}.{leaf}", stream, (writer,), ("tts",), ("tts",))


def _telegram(leaf: str, stream: str) -> Route:
    pattern, own = f"{ROOT}.{{cell}}.telegram.{{bot}}.{leaf}", ("telegram",)
    return Route(pattern, stream, own, own, own if stream == "UPDATES" else (), own)


_WORKERS: Final = "stt turn llm tts tool"
_OWNERS: Final = f"{_WORKERS} supervisor"
_EACH: Final = tuple(_WORKERS.split())

CATALOG: Final[dict[type[Event], Route]] = {
    AudioChunk: _up("audio", "AUDIO", "stt", again="stt"),
    AudioEnded: _up("audio", "AUDIO", "stt", again="stt"),
    SessionOpened: _up("control", "SESSION", "turn", again="turn"),
    SessionClosed: _up("control", "SESSION", _WORKERS, again=_WORKERS),
    ClientLost: _up("control", "SESSION", "stt turn", again="stt turn"),
    ClientReturned: _up("control", "SESSION", "stt turn", again="stt turn"),
    UserText: _up("control", "SESSION", "turn", again="turn"),
    AnswerAsked: _up("control", "SESSION", "turn", again="turn"),
    CancelAsked: _up("control", "SESSION", "turn", again="turn"),
    TurnTakingSet: _up("control", "SESSION", "turn", again="turn"),
    KeysPressed: _up("control", "SESSION", "turn", again="turn"),
    LinkAsked: _up("control", "SESSION", "turn", again="turn"),
    ForgetAsked: _up("control", "SESSION", "turn", again="turn"),
    PlaybackEnded: _up("control", "SESSION", "turn", again="turn"),
    Played: _up("played", "", "tts"),
    TranscribeRequest: _job("stt", "edge"),
    SpeechStarted: _dn("partial", "", "stt", "edge turn"),
    SpeechPaused: _dn("partial", "", "stt", "turn"),
    SpeechResumed: _dn("partial", "", "stt", "edge turn"),
    TranscriptPartial: _dn("partial", "", "stt", "edge turn"),
    TranscriptDraft: _dn("partial", "", "stt", "edge turn"),
    TranscriptFinal: _dn("final", "SESSION", "stt", "edge turn", again="stt turn"),
    AudioConsumed: _dn("final", "SESSION", "stt", "edge turn", again="stt turn"),
    SilenceHeard: _dn("final", "SESSION", "stt", "", again="stt"),
    RecogniseRequest: _job("stt", "edge"),
    PassageCut: _dn("final", "SESSION", "stt", "edge", again="stt"),
    PassageRecognised: _dn("final", "SESSION", "stt", "edge", again="stt"),
    ConverseRequest: _job("turn", "edge"),
    TurnStarted: _dn("turn", "SESSION", "turn", "edge tts", again="turn llm tts tool"),
    TurnEnded: _dn("turn", "SESSION", "turn", "edge llm tts tool", again="turn llm tts tool"),
    SessionMoved: _dn("turn", "SESSION", "turn", f"edge {_WORKERS}", again=_WORKERS),
    Resumed: _dn("turn", "SESSION", "turn", "edge", again=_WORKERS),
    NothingHeard: _dn("turn", "SESSION", "turn", "edge", again="turn"),
    HangUp: _dn("turn", "SESSION", "turn", "edge", again="turn"),
    Joined: _dn("turn", "SESSION", "turn", "edge", again="turn"),
    LinkMade: _dn("turn", "SESSION", "turn", "edge", again="turn"),
    TurnCancelled: _dn("cancel", "SESSION", "turn", "edge llm tts tool", again="turn llm tts tool"),
    ReplyPaused: _dn("cancel", "SESSION", "turn", "edge", again="turn"),
    ReplyResumed: _dn("cancel", "SESSION", "turn", "edge", again="turn"),
    GenerateRequest: _job("llm", "edge turn"),
    TokenDelta: _dn("token", "SESSION", "llm", "edge", again="turn llm"),
    GenerationDone: _dn("done", "SESSION", "llm", "edge turn", again="turn llm"),
    TokensUsed: _dn("usage", "SESSION", "llm", "", again="admin"),
    SummariseRequest: _job("llm", "turn"),
    SummaryMade: _dn("summary", "SESSION", "llm turn", "turn", again="turn llm"),
    ClauseReady: _dn("clause", "SESSION", "llm", "turn tts", again="turn llm tts"),
    SpeakRequest: _job("tts", "edge turn"),
    ReplyChunk: _dn("audio", "REPLY", "tts", "edge", again="tts"),
    ClauseSpoken: _dn("spoken", "SESSION", "tts", "edge turn", again="turn tts"),
    SpeechDone: _dn("done", "SESSION", "tts", "edge turn", again="turn tts"),
    Failure: _dn("failure", "SESSION", _WORKERS, "edge turn", again="turn"),
    Claimed: _dn("claim.{role}.{job}", "SESSION", _WORKERS, f"edge {_OWNERS}", again=_OWNERS),
    DrainAsked: Route(f"{ROOT}.{{cell}}.order.{{role}}.{{worker}}", "", ("admin",), _EACH),
    ClaimLeft: _dn("claim.{role}.{job}", "SESSION", _WORKERS, _WORKERS, again=_WORKERS),
    DeadLetter: Route(
        f"{ROOT}.{{cell}}.dead.{{role}}.{{edge}}.{{session}}.{{job}}",
        "DEAD",
        _EACH,
        ("admin",),
        ("admin",),
    ),
    ConversationKept: _kept("conversation", "CONVERSATION", ("turn",)),
    LinkKept: _kept("link", "LINK", ()),
    PersonaKept: _authored(""),
    FaqKept: _authored("faq."),
    tool.ToolsKept: _authored("tools.", "tool"),
    tool.CallsAsked: _dn("calls", "SESSION", "llm", "turn", again="turn llm"),
    tool.CallsBegun: _dn("turn", "SESSION", "turn", "", again="turn"),
    tool.CallsEnded: _dn("turn", "SESSION", "turn", "", again="turn"),
    tool.ToolRequest: _job("tool", "turn"),
    tool.ToolDone: _dn("tool", "SESSION", "tool turn", "turn", again="turn tool"),
    voice.PhraseKept: _heard_again("phrase.{secret}", "PHRASE", "tts"),
    voice.VoiceKept: _heard_again("voice.{item}", "VOICE", "admin"),
    Presence: Route(
        f"{ROOT}.{{cell}}.presence.{{role}}.{{worker}}",
        "",
        ("edge", *_EACH, "supervisor"),
        ("edge", *_EACH, "monitor", "supervisor"),
    ),
    Demand: Route(f"{ROOT}.{{cell}}.demand.{{stage}}", "", ("supervisor",), ("monitor",)),
    telegram.BotOwned: _telegram("owner", "TELEGRAM"),
    telegram.UpdateAccepted: _telegram("update.{item}", "UPDATES"),
    telegram.UpdateAnswering: _telegram("update.{item}", "UPDATES"),
    telegram.UpdateSettled: _telegram("update.{item}", "UPDATES"),
    telegram.ChatKept: _telegram("chat.{item}", "TELEGRAM"),
}
"""Every message type has exactly one row."""

_SHAPES: Final = {
    kind: tuple(None if "{" in token else token for token in route.pattern.split("."))
    for kind, route in CATALOG.items()
}


def belongs(kind: type[Event], subject: str) -> bool:
    """Say whether a message of ``kind`` may come on this subject.

    Permissions are given by subjects. They would be worth little if whoever may publish one kind of
    message could send another kind on its subject.
    """
    shape, tokens = _SHAPES[kind], subject.split(".")
    return len(tokens) == len(shape) and all(
        wanted is None or wanted == token for wanted, token in zip(shape, tokens, strict=True)
    )


class Place(Struct, frozen=True):
    """A session's place in the subject tree.

    Fields
        cell: The cluster that carries the session; sessions never cross cells.
        edge: The edge process that brought the session in.
        session: The session's id.
    """

    cell: str
    edge: str
    session: str


_PLACED: Final = {
    kind: re.sub(r"{\w+}", "{}", route.pattern)
    for kind, route in CATALOG.items()
    if re.findall(r"{(\w+)}", route.pattern) == ["cell", "edge", "session"]
}
"""What a place alone fills in. Audio asks for it fifty times a second in each session."""


def subject_of(kind: type[Event], place: Place, role: str = "*", job: str = "*") -> str:
    """Return the subject on which messages of ``kind`` travel for one session.

    ``job`` is also the last token of what belongs to no session.
    """
    placed = _PLACED.get(kind)
    if placed is not None:
        return placed.format(place.cell, place.edge, place.session)
    named = {"cell": place.cell, "edge": place.edge, "session": place.session}
    named |= dict.fromkeys(("role", "stage"), role) | dict.fromkeys(("job", "secret", "item"), job)
    return CATALOG[kind].pattern.format(**named, worker="*", bot="*")


def place_of(subject: str) -> Place:
    """Read a session's place from one of its subjects (``up``, ``dn``, ``job`` or ``dead``).

    Raises:
        ValueError: The subject has another form.
    """
    match subject.split("."):
        case [root, cell, "up" | "dn", edge, session, *_] if root == ROOT:
            return Place(cell, edge, session)
        case [root, cell, "job" | "dead", _, edge, session, _] if root == ROOT:
            return Place(cell, edge, session)
    raise ValueError(f"not a session's subject: {subject!r}")


def session_log(cell: str, session: str, edge: str = "*") -> tuple[str, str]:
    """Return the two wildcards (up, down) of a session's log; who knows its edge should say so."""
    return (f"{ROOT}.{cell}.up.{edge}.{session}.>", f"{ROOT}.{cell}.dn.{edge}.{session}.>")
