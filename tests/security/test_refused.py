"""What is refused to whom. The table below is asked of a real server, row by row.

`one` and `two` are edges; `s1` is a session of `one`. The attacker is always the user in the row.
"""

from __future__ import annotations

from typing import Final

import pytest

from subjects.streams import ROLES, Limits, streams
from tests.secured import Secured

EDGE: Final = "edge-two"
BRIDGE: Final = "telegram-tg"
OUTSIDE: Final = (EDGE, BRIDGE)
WORKERS: Final = ROLES
CARRIERS: Final = (*OUTSIDE, *WORKERS)
OPERATORS: Final = ("monitor", "supervisor")

NAMED_BY_SECRETS: Final = tuple(
    stream.name for stream in streams(Limits()) if stream.name != "JOBS"
)
"""Streams of which nobody but the admin may ask for the subjects; those of jobs name sessions."""

HEARING: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    # what it would be, to whom it is refused, on which subjects
    ("another edge's callers", OUTSIDE, ("up.one.s1.audio", "up.one.>", "up.*.*.audio", "up.>")),
    ("what another edge is told", OUTSIDE, ("dn.one.s1.final", "dn.one.>", "dn.*.*.token", "dn.>")),
    ("others' jobs", (*CARRIERS, *OPERATORS), ("job.>", "job.stt.one.s1.*", "job.*.*.*.*")),
    ("everything", (*CARRIERS, *OPERATORS), (">",)),
    (
        "callers, by who answers them",
        ("turn", "llm", "tts", "tool"),
        ("up.*.*.audio", "up.one.s1.audio"),
    ),
    ("replies, by who does not speak", ("stt", "turn", "llm", "tool"), ("dn.*.*.audio",)),
    (
        "words, by who does not need them",
        ("stt", "tts", "tool"),
        ("dn.*.*.token", "dn.one.s1.token"),
    ),
    ("jobs that were given up", (*CARRIERS, *OPERATORS), ("dead.>", "dead.stt.one.s1.session")),
    ("orders to another role", ("turn", "llm", "tts", "tool", EDGE), ("order.stt.w1", "order.>")),
    (
        "conversations as they go on",
        (*OUTSIDE, "stt", "llm", "tts", "tool", *OPERATORS),
        ("conversation.*", "conversation.c1", "link.*"),
    ),
    ("what bridges keep", (EDGE, *WORKERS, *OPERATORS), ("telegram.>", "telegram.1.chat.5")),
    ("words and voices, by operators", OPERATORS, ("up.>", "dn.>", "up.*.*.*", "dn.*.*.final")),
)

SPEAKING: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("audio of another edge's caller", OUTSIDE, ("up.one.s1.audio",)),
    ("orders of another edge's caller", OUTSIDE, ("up.one.s1.control", "up.one.s1.played")),
    ("work for another edge's session", OUTSIDE, ("job.stt.one.s1.session", "job.turn.one.s1.x")),
    ("a passage of another edge's recording", OUTSIDE, ("job.stt.one.s1.1-0",)),
    (
        "a turn's work for another edge's session",
        OUTSIDE,
        ("job.llm.one.s1.1-0", "job.tts.one.s1.1-0"),
    ),
    (
        "a worker's output, even to itself",
        OUTSIDE,
        ("dn.two.s2.final", "dn.two.s2.turn", "dn.one.s1.token", "dn.one.s1.audio"),
    ),
    (
        "a conversation, or a link code, itself",
        (*OUTSIDE, "stt", "llm", "tts", "tool", *OPERATORS),
        ("conversation.c1", "link.d1"),
    ),
    ("work for the language model", (BRIDGE,), ("job.llm.tg.s1.1-0",)),
    ("updates", (EDGE, *WORKERS, *OPERATORS), ("telegram.1.update.5", "telegram.1.owner")),
    ("a claim", OUTSIDE, ("dn.one.s1.claim.stt.session", "dn.two.s2.claim.stt.session")),
    ("another's sign of life", OUTSIDE, ("presence.edge.one", "presence.stt.w1")),
    ("what callers do", WORKERS, ("up.one.s1.audio", "up.one.s1.control", "up.one.s1.played")),
    ("transcripts", ("turn", "llm", "tts", "tool"), ("dn.one.s1.final", "dn.one.s1.partial")),
    ("turns", ("stt", "llm", "tts", "tool"), ("dn.one.s1.turn", "dn.one.s1.cancel")),
    ("replies as text", ("stt", "turn", "tts", "tool"), ("dn.one.s1.token", "dn.one.s1.clause")),
    ("replies as audio", ("stt", "turn", "llm", "tool"), ("dn.one.s1.audio", "dn.one.s1.spoken")),
    ("work", ("stt", "llm", "tts", "tool"), ("job.llm.one.s1.1-0", "job.tts.one.s1.1-0")),
    ("calls of functions", ("stt", "llm", "tts", "tool", *OUTSIDE), ("job.tool.one.s1.1-0",)),
    ("results of functions", ("stt", "llm", "tts", *OUTSIDE), ("dn.one.s1.tool", "dn.two.s2.tool")),
    ("phrases", (*OUTSIDE, "stt", "turn", "llm", "tool", *OPERATORS), ("phrase.d1",)),
    ("voices", (*CARRIERS, *OPERATORS), ("voice.v1",)),
    ("work that edges give out", WORKERS, ("job.stt.one.s1.session", "job.turn.one.s1.session")),
    ("passages of recordings", WORKERS, ("job.stt.one.s1.1-0",)),
    ("an order to end", (*CARRIERS, *OPERATORS), ("order.stt.w1", "order.llm.w1")),
    ("jobs that were given up, by who gives them out", OUTSIDE, ("dead.stt.two.s2.session",)),
    (
        "jobs that another role gave up",
        ("turn", "llm", "tts", "tool"),
        ("dead.stt.one.s1.session",),
    ),
    ("how much work there is", (*CARRIERS, "monitor"), ("demand.stt",)),
    ("an edge's sign of life", WORKERS, ("presence.edge.one",)),
    ("anything", OPERATORS, ("up.one.s1.audio", "dn.one.s1.final", "job.stt.one.s1.session")),
)

KEEPING: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("personas, and their answers", (*CARRIERS, *OPERATORS), ("p1", "faq.p1_0")),
    (
        "which functions there are",
        (*OUTSIDE, "stt", "turn", "llm", "tts", *OPERATORS),
        ("tools.tea",),
    ),
)

ASKING: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    (
        "to change streams",
        (*CARRIERS, *OPERATORS),
        (
            *("STREAM.CREATE.MINE", "STREAM.UPDATE.AUDIO", "STREAM.DELETE.SESSION"),
            *("STREAM.PURGE.AUDIO", "STREAM.PURGE.SESSION", "STREAM.MSG.DELETE.AUDIO"),
        ),
    ),
    (
        "to make a consumer, which reads a whole stream",
        (*CARRIERS, *OPERATORS),
        (
            *("CONSUMER.CREATE.AUDIO", "CONSUMER.CREATE.SESSION.mine.vb.test.up.>"),
            *("CONSUMER.DURABLE.CREATE.AUDIO.mine", "CONSUMER.DELETE.JOBS.test-stt"),
        ),
    ),
    (
        "for messages by their numbers",
        (*CARRIERS, *OPERATORS),
        ("STREAM.MSG.GET.AUDIO", "STREAM.MSG.GET.SESSION", "DIRECT.GET.JOBS"),
    ),
    ("for the log", (*OUTSIDE, *OPERATORS), ("DIRECT.GET.AUDIO", "DIRECT.GET.SESSION")),
    (
        "for all conversations, or all link codes",
        (*CARRIERS, *OPERATORS),
        ("DIRECT.GET.CONVERSATION", "DIRECT.GET.LINK", "STREAM.MSG.GET.CONVERSATION"),
    ),
    (
        "for a conversation, or a link code, by its id",
        (*OUTSIDE, "stt", "llm", "tts", "tool", *OPERATORS),
        (
            "DIRECT.GET.CONVERSATION.vb.test.conversation.c1",
            "DIRECT.GET.LINK.vb.test.link.d1",
        ),
    ),
    (
        "for what bridges keep",
        (EDGE, *WORKERS, *OPERATORS),
        ("DIRECT.GET.UPDATES", "DIRECT.GET.TELEGRAM.vb.test.telegram.1.chat.5"),
    ),
    ("for all that bridges keep of chats", (BRIDGE,), ("DIRECT.GET.TELEGRAM",)),
    ("for jobs that were given up", (*CARRIERS, *OPERATORS), ("DIRECT.GET.DEAD",)),
    ("for callers' audio", ("turn", "llm", "tts", "tool"), ("DIRECT.GET.AUDIO",)),
    (
        "for replies' audio",
        (*OUTSIDE, "stt", "turn", "llm", "tool", *OPERATORS),
        ("DIRECT.GET.REPLY",),
    ),
    (
        "for the newest of a subject",
        (*OUTSIDE, "monitor"),
        (
            "DIRECT.GET.SESSION.vb.test.dn.one.s1.final",
            "DIRECT.GET.AUDIO.vb.test.up.one.s1.audio",
        ),
    ),
    (
        "for personas and their answers",
        (*OUTSIDE, "stt", "llm", "tts", "tool", *OPERATORS),
        ("DIRECT.GET.KV_personas", "DIRECT.GET.KV_personas.$KV.personas.test.p1"),
    ),
    (
        "for phrases and voices",
        (*OUTSIDE, "stt", "turn", "llm", "tool", *OPERATORS),
        ("DIRECT.GET.PHRASE", "DIRECT.GET.VOICE.vb.test.voice.v1"),
    ),
    (
        "for jobs of tool",
        ("stt", "turn", "llm", "tts", *OUTSIDE, *OPERATORS),
        ("CONSUMER.MSG.NEXT.JOBS.test-tool",),
    ),
    ("for jobs", (*OUTSIDE, *OPERATORS), ("CONSUMER.MSG.NEXT.JOBS.test-stt",)),
    ("for jobs of stt", ("turn", "llm", "tts", "tool"), ("CONSUMER.MSG.NEXT.JOBS.test-stt",)),
    ("for jobs of llm", ("stt", "turn", "tts", "tool"), ("CONSUMER.MSG.NEXT.JOBS.test-llm",)),
    (
        "what there is",
        CARRIERS,
        ("STREAM.INFO.AUDIO", "STREAM.LIST", "STREAM.INFO.JOBS", "CONSUMER.INFO.JOBS.test-stt"),
    ),
    (
        "what there is, subject by subject: conversations, link codes, people and sessions",
        OPERATORS,
        (
            *(f"STREAM.INFO.{name}" for name in NAMED_BY_SECRETS),
            *("CONSUMER.LIST.SESSION", "CONSUMER.INFO.SESSION.x"),
        ),
    ),
)


def rows(
    table: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...], head: str
) -> list[tuple[str, str]]:
    """Every (user, subject) of a table."""
    return [
        (user, subject if subject == ">" else head + subject)
        for _, users, subjects in table
        for user in users
        for subject in subjects
    ]


async def expect_refused(secured: Secured, user: str, subject: str) -> None:
    """The server says in its log that it refused this to this user."""
    key = secured.key(user)
    refused = [line for line in secured.violations() if key in line and f'"{subject}"' in line]

    assert refused, secured.violations()[-3:]


@pytest.mark.parametrize(("user", "subject"), rows(HEARING, "vb.test."))
async def test_listening_is_refused(secured: Secured, user: str, subject: str) -> None:
    """Nobody hears what is not for them."""
    async with secured.bus(user) as bus, bus.listen(subject):
        await bus.flush()

    await expect_refused(secured, user, subject)


@pytest.mark.parametrize("user", [*CARRIERS, *OPERATORS, "admin", "system"])
@pytest.mark.parametrize("other", ["edge-one", "stt", "admin"])
async def test_others_answers_are_nobodys(secured: Secured, user: str, other: str) -> None:
    """An inbox holds what its owner was told, or read; not even the admin hears others'."""
    own, foreign = f"_INBOX_{secured.key(user)}.>", f"_INBOX_{secured.key(other)}.>"
    async with secured.bus(user) as bus:
        for subject in {"_INBOX.>", "*.>", foreign} - {own}:
            async with bus.listen(subject):
                await bus.flush()
            await expect_refused(secured, user, subject)


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        *rows(SPEAKING, "vb.test."),
        *rows(KEEPING, "$KV.personas.test."),
        *rows(ASKING, "$JS.API."),
    ],
)
async def test_publishing_is_refused(secured: Secured, user: str, subject: str) -> None:
    """Nobody speaks in another's name, or asks the server for more than their work needs."""
    async with secured.bus(user) as bus:
        await bus.publish_raw(subject, b"")
        await bus.flush()

    await expect_refused(secured, user, subject)


@pytest.mark.parametrize("user", CARRIERS)
async def test_others_jobs_are_not_settled(secured: Secured, user: str) -> None:
    """Who could acknowledge another role's job could make it vanish."""
    consumers = [f"test-{role}" for role in WORKERS if role != user]
    async with secured.bus(user) as bus:
        for consumer in consumers:
            await bus.publish_raw(f"$JS.ACK.JOBS.{consumer}.1.1.1.1.0", b"+ACK")
        await bus.flush()

    for consumer in consumers:
        await expect_refused(secured, user, f"$JS.ACK.JOBS.{consumer}.1.1.1.1.0")


async def test_a_worker_claims_for_its_own_role_only(secured: Secured) -> None:
    """Who could write another's claim could take its session from it."""
    async with secured.bus("llm") as bus:
        await bus.publish_raw("vb.test.dn.one.s1.claim.tts.1-0", b"")
        await bus.flush()

    await expect_refused(secured, "llm", "vb.test.dn.one.s1.claim.tts.1-0")


async def test_the_server_s_own_account_has_no_words(secured: Secured) -> None:
    """Its user learns which connections end, and is in another account than the sessions."""
    async with secured.bus("system") as bus, bus.listen("vb.test.up.one.s1.audio"):
        await bus.publish_raw("vb.test.up.one.s1.audio", b"")
        await bus.flush()

    assert len([line for line in secured.violations() if secured.key("system") in line]) >= 2
