"""Who may publish and hear what: each role's permissions, from the same table as the subjects.

A role has what the happy path needs and nothing else. That counts for JetStream's own subjects,
too: a stream is not protected by the permissions on what it records. Whoever may create a consumer,
or ask for a message by its number, reads all of it.

Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from schemas.claim import Presence
from subjects.catalog import CATALOG, PERSONAS, ROOT, Route
from subjects.inboxes import edge_inbox, inbox_of
from subjects.streams import ROLES, consumer_name

EDGE: Final = "edge"
"""The role of every edge; each has a user of its own, by its name."""

TELEGRAM: Final = "telegram"
"""The role of every bridge to Telegram: an edge to the workers, with a memory of its own. Each has
a user of its own, by its name."""

OPERATORS: Final = ("monitor", "supervisor", "admin")
"""Roles that carry no session: one sees who is there, one hands on the work of the dead, and one
makes the streams and reads what they hold."""

SYSTEM: Final = "system"
"""The role in the server's own account: learns which connections end, and ends those of processes
that are stopped."""


class Permissions(Struct, frozen=True):
    """What one user may do; all else is refused by the server.

    Fields
        publish: Subjects or wildcards on which it may publish.
        subscribe: Those that it may listen to.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions(role: str, cell: str, user: str, edge: str = "*") -> Permissions:
    """Return the permissions of a role.

    Args:
        role: One of ``ROLES``, ``OPERATORS``, ``EDGE``, ``TELEGRAM`` and ``SYSTEM``.
        cell: The cell that the user belongs to.
        user: Whose answers it may hear: its own, and those of nobody else.
        edge: The name of an edge, or of a bridge.

    Raises:
        ValueError: There is no such role.
    """
    own_inbox = f"{inbox_of(user)}.>"
    if role in ROLES:
        publish = (*_written(role, cell), *_read_back(role, cell), *_claimed(role, cell))
        return Permissions(publish, (*_heard(role, cell), own_inbox))
    match role:
        case "edge" | "telegram":
            # One wildcard for all that goes to an edge: it has thousands of sessions.
            others = (s for s in _heard(EDGE, cell) if not s.startswith(f"{ROOT}.{cell}.dn."))
            subscribe = (edge_inbox(cell, edge), *others, own_inbox)
            publish = _written(EDGE, cell, edge)
            if role == TELEGRAM:
                publish, subscribe = _bridged(cell, publish), (*subscribe, *_heard(role, cell))
            return Permissions(publish, subscribe)
        case "monitor":
            publish = ("$JS.API.STREAM.LIST", *_counted(cell))
            return Permissions(publish, (*_heard(role, cell), own_inbox))
        case "supervisor":
            handing_on = ("$JS.ACK.JOBS.>", "$JS.ACK.*.*.JOBS.>")
            publish = (*handing_on, *_counted(cell), *_written(role, cell), *_newest(role, cell))
            return Permissions(publish, (*_heard(role, cell), own_inbox))
        case "admin":
            publish = ("$JS.API.>", f"{ROOT}.{cell}.>", f"$KV.{PERSONAS}.{cell}.>")
            return Permissions(publish, (f"{ROOT}.{cell}.>", own_inbox))
        case "system":
            ends = ("$SYS.ACCOUNT.*.CONNECT", "$SYS.ACCOUNT.*.DISCONNECT")
            cutting_off = ("$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.SERVER.*.KICK")
            return Permissions(cutting_off, (*ends, own_inbox))
    raise ValueError(f"no role of the bus: {role!r}")


def _counted(cell: str) -> tuple[str, ...]:
    """Return how the open jobs are listed and each queue is measured.

    A question after one stream tells all subjects of it to whoever asks for them. Those of jobs
    name sessions. Those of other streams are conversations, link codes and people, so they are
    asked after by nobody here: the list of streams has their sizes and no subjects.
    """
    queues = (f"$JS.API.CONSUMER.INFO.JOBS.{consumer_name(cell, role)}" for role in ROLES)
    return ("$JS.API.STREAM.INFO.JOBS", *queues)


def _bridged(cell: str, publish: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a bridge to Telegram publishes, from what an edge does."""
    # Who asks the model is the turn worker: a bridge keeps no conversation of its own.
    asked = (subject for subject in publish if not subject.startswith(f"{ROOT}.{cell}.job.llm."))
    return (*asked, *_written(TELEGRAM, cell), *_read_back(TELEGRAM, cell))


def _written(role: str, cell: str, edge: str = "*") -> tuple[str, ...]:
    """Return what a role publishes, under its own name only."""
    return _once(
        _subject(route, cell, edge, role) for route in CATALOG.values() if role in route.writers
    )


def _heard(role: str, cell: str) -> tuple[str, ...]:
    """Return what a role listens to. A job is handed out by its consumer and is not listened to.

    Workers hear claims and orders of their own role, and the signs of life of all: of edges above
    all.
    """
    own = role if role in ROLES else "*"
    return _once(
        _subject(route, cell, "*", "*" if kind is Presence else own)
        for kind, route in CATALOG.items()
        if role in route.readers and route.stream != "JOBS"
    )


def _read_back(role: str, cell: str) -> tuple[str, ...]:
    """Return how a role reads streams. Only the newest of a subject is asked for by the subject.

    More is asked for by a message to the stream's address, which says nothing of the subject: it
    opens the whole stream.
    """
    whole = (f"$JS.API.DIRECT.GET.{r.stream}" for r in CATALOG.values() if role in r.rereaders)
    return _once((*whole, *_newest(role, cell)))


def _newest(role: str, cell: str) -> tuple[str, ...]:
    named = role if role in ROLES else "*"
    return _once(
        f"$JS.API.DIRECT.GET.{route.stream}.{_subject(route, cell, '*', named)}"
        for route in CATALOG.values()
        if role in (*route.rereaders, *route.lookers)
    )


def _claimed(role: str, cell: str) -> tuple[str, ...]:
    """Return how a worker takes jobs and settles them; the server has two forms for the latter."""
    consumer = consumer_name(cell, role)
    return (
        f"$JS.API.CONSUMER.MSG.NEXT.JOBS.{consumer}",
        f"$JS.ACK.JOBS.{consumer}.>",
        f"$JS.ACK.*.*.JOBS.{consumer}.>",
    )


def _subject(route: Route, cell: str, edge: str, role: str) -> str:
    worker = edge if role == EDGE else "*"
    anything = dict.fromkeys(("session", "stage", "job", "secret", "bot", "item"), "*")
    return route.pattern.format(**anything, cell=cell, edge=edge, role=role, worker=worker)


def _once(subjects: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(subjects))
