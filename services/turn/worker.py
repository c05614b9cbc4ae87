"""Turn worker: leads a session's conversation.

Consumes   job.turn    ConverseRequest, one per session
           up.control  UserText, KeysPressed, AnswerAsked, CancelAsked, TurnTakingSet, LinkAsked,
                       PlaybackEnded, ClientLost, ClientReturned, SessionClosed
           dn.partial  SpeechStarted, SpeechPaused, SpeechResumed, TranscriptPartial,
                       TranscriptDraft
           dn.final    TranscriptFinal, AudioConsumed
           dn.clause   ClauseReady
           dn.spoken   ClauseSpoken
           dn.done     GenerationDone, SpeechDone
           dn.failure  Failure
           dn.summary  SummaryMade
           conversation  ConversationKept, of the conversation that the session belongs to
           personas   PersonaKept, FaqKept, where the session names one
Publishes  job.llm     GenerateRequest, one per attempt at a turn
           job.llm     SummariseRequest, where a chat gets too long
           job.tts     SpeakRequest, one per attempt at a turn that is spoken
           dn.turn     TurnStarted, TurnEnded, NothingHeard, HangUp, Joined, LinkMade, Resumed, and
                       SessionMoved at the place where the session was before
           dn.cancel   TurnCancelled, ReplyPaused, ReplyResumed
           conversation  ConversationKept, with compare-and-set
           link          LinkKept, with compare-and-set
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, SummaryMade
from schemas.session import SessionClosed
from schemas.stt import TranscriptFinal, TranscriptPartial
from schemas.tool import CallsAsked, ToolDone
from schemas.tts import ClauseSpoken
from schemas.turn import ConverseRequest
from services.turn import shelf
from services.turn.admission import Links, Membership, admitted
from services.turn.answers import Answers
from services.turn.arrivals import Arrivals
from services.turn.functions import with_functions
from services.turn.keeper import Keeper, keeping
from services.turn.leading import Lead
from services.turn.machine import Conversation
from services.turn.persona import NOBODY, Persona, nothing, persona_of
from services.turn.reach import Reach
from services.turn.returning import is_closed, move
from services.turn.settings import TurnSettings
from subjects.kept import conversation_subject
from voicebus.claim import Claim
from voicebus.errors import ProtocolError
from voicebus.origins import Origin, origins
from voicebus.personas.library import Library

_HEARD: Final = (
    SessionClosed,
    TranscriptPartial,
    TranscriptFinal,
    CallsAsked,
    ToolDone,
    ClauseReady,
    ClauseSpoken,
    GenerationDone,
    SummaryMade,
    Failure,
)

_REVISIONS: Final = 1_000
"""More attempts at one turn than a worker ever makes: the next worker counts on from there."""

_REVISIONS_ELSEWHERE: Final = 1_000_000
"""The same for all workers that a session has at one edge."""


async def converse(
    claim: Claim,
    settings: TurnSettings,
    links: Links,
    library: Library | None = None,
    reach: Reach | None = None,
) -> None:
    """Lead one session's conversation until the session closes."""
    request = claim.request
    if not isinstance(request, ConverseRequest):
        raise ProtocolError(f"not a request to converse: {type(request).__name__}")
    if request.resumes is not None and await is_closed(claim.bus, claim.place):
        return  # nobody waits here for the session any more: it is not to be taken from elsewhere
    claim.took_over("continued")
    former = await _former(claim, request)
    revisions = claim.forerunners * _REVISIONS + len(former) * _REVISIONS_ELSEWHERE
    library = library or Library()
    admission = await admitted(claim, former, links, library)
    member = admission.member
    request = replace(request, settings=admission.settings)
    leader = Conversation if request.automatic else Answers
    traits = admission.persona or NOBODY
    book = await library.books.of(claim.bus, traits) if traits.name else None
    persona = persona_of(request, settings, traits, nothing if book is None else book.answer)
    if traits.tools.allow and request.automatic:
        keeps = member is not None
        tools = traits.tools if request.transfers else replace(traits.tools, transfer_to=())
        persona = await with_functions(claim.bus, persona, tools, reach or Reach(), keeps=keeps)
    persona = knowing(persona, member)
    conversation = leader(persona, first_revision=revisions)
    async with (
        claim.bus.listen(*_heard(claim, member)) as inbox,
        Arrivals(claim, inbox) as arrivals,
    ):
        await claim.bus.flush()
        keeper = await _keeper(claim, member, conversation, settings, links)
        async with keeping(keeper):
            await Lead(claim, conversation, keeper).run(arrivals, former)


def _heard(claim: Claim, member: Membership | None) -> dict[str, None]:
    subjects = dict.fromkeys(claim.subject(kind) for kind in _HEARD)
    if member is not None:
        subjects[conversation_subject(claim.place.cell, member.conversation)] = None
    return subjects


async def _keeper(
    claim: Claim,
    member: Membership | None,
    conversation: Conversation | Answers,
    settings: TurnSettings,
    links: Links,
) -> Keeper | None:
    if member is None or isinstance(conversation, Answers):
        return None
    # Once more, now that what follows is heard: somebody may have spoken in between.
    found = await shelf.find(claim.bus, member.conversation)
    member = replace(member, found=found if found.kept is not None else member.found)
    return Keeper(claim, member, conversation.turns, settings, links)


def knowing(persona: Persona, member: Membership | None) -> Persona:
    """Return a persona that knows what its conversation remembers of the user, and of its past."""
    kept = None if member is None else member.found.kept
    if kept is not None and persona.summaries:
        persona = replace(persona, summary=kept.summary)
    if kept is None or not kept.facts:
        return persona
    facts = "".join(f"\n- {fact}" for fact in kept.facts)
    told = f"{persona.instructions}\n\nWhat you remember of the user:{facts}"
    return replace(persona, instructions=told)


async def _former(claim: Claim, request: ConverseRequest) -> list[Origin]:
    """Return where the session was before; it comes from there now, if nobody brought it yet."""
    if request.resumes is None:
        return []
    former = await origins(claim.bus, claim.place)
    if not former:
        await move(claim, request.resumes)
        former = await origins(claim.bus, claim.place, awaited=True)
    return former
