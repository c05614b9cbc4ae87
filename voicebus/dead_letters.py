"""The jobs that were given up: to be read, tried again, or dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec import MalformedMessage, decode
from schemas.dead import DeadLetter
from schemas.event import Event
from subjects.catalog import CATALOG, Place, place_of
from subjects.jobs import dead_letters, job_of
from voicebus.bus.acks import ApiError, error_of
from voicebus.bus.client import Bus
from voicebus.errors import CodecError, ConfigError

STREAM: Final = CATALOG[DeadLetter].stream

_JOBS: Final = "JOBS"


class Kept(Struct, frozen=True):
    """A dead letter and where it is.

    Fields
        number: Its sequence in the stream: what it is called by.
        stored_ns: When it was given up, in ns since 1970.
        place: Whose job it was.
        job: The job's name.
        letter: What is known of it.
    """

    number: int
    stored_ns: int
    place: Place
    job: str
    letter: DeadLetter

    def request(self) -> Event | None:
        """Return the job as it was; None when it is no message that we know, or no job."""
        try:
            request = decode(self.letter.request)
        except MalformedMessage:
            return None
        # Whoever tries it again may publish anything: it shall be a job, and of this role.
        route = CATALOG[type(request)]
        is_job = route.stream == _JOBS and self.letter.role in route.readers
        return request if is_job else None


class _Deleted(Struct):
    error: ApiError | None = None


async def kept(bus: Bus) -> AsyncIterator[Kept]:
    """Read all dead letters of the cell, oldest first.

    Raises:
        BusError: They cannot be read.
    """
    async for message in bus.read(STREAM, dead_letters(bus.cell)):
        letter = decode(message.payload)
        if isinstance(letter, DeadLetter):
            place, job = place_of(message.subject), job_of(message.subject)
            yield Kept(message.sequence, message.stored_ns, place, job, letter)


async def find(bus: Bus, number: int) -> Kept:
    """Return the dead letter of a number.

    Raises:
        ConfigError: There is none.
        BusError: They cannot be read.
    """
    async for letter in kept(bus):
        if letter.number == number:
            return letter
    raise ConfigError(f"there is no dead letter {number}")


async def retry(bus: Bus, letter: Kept) -> None:
    """Publish the job again, for any worker of its role; the letter is gone once it is stored.

    Raises:
        CodecError: No worker could read the job: it is no message that we know, or no job.
        BusError: The job cannot be stored, or the letter cannot be dropped.
    """
    request = letter.request()
    if request is None:
        raise CodecError(
            f"the job of dead letter {letter.number} is no message that we know, or no job of its "
            "role, and no worker could read it; `voicebus dead-letters drop` removes it"
        )
    await bus.store(request, letter.place, job=letter.job)
    await drop(bus, letter)


async def drop(bus: Bus, letter: Kept) -> None:
    """Remove a dead letter for good.

    Raises:
        BusError: The bus refuses.
    """
    body = msgspec.json.encode({"seq": letter.number})
    answer = await bus.request(f"$JS.API.STREAM.MSG.DELETE.{STREAM}", body)
    failure = msgspec.json.decode(answer, type=_Deleted).error
    if failure is not None:
        raise error_of(failure)
