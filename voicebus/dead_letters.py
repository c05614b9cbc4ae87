"""The jobs that were given up: to be read, tried again, or dropped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec import Struct

from schemas.codec import MalformedMessage, decode, type_of
from schemas.dead import DeadLetter
from schemas.event import Event
from subjects.catalog import CATALOG, Place, place_of
from subjects.jobs import dead_letters, job_of, role_of
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
        role: Of which role, by the subject: no other role may store a letter there.
        job: The job's name.
        letter: What is known of it.
    """

    number: int
    stored_ns: int
    place: Place
    role: str
    job: str
    letter: DeadLetter

    def request(self) -> Event:
        """Return the job as it was.

        Raises:
            CodecError: Why nobody may have it again, or could read it.
        """
        # Whoever tries it again may publish anything. Who stored the letter may not: the role that
        # is believed is that of the subject, and the job shall be one of this role.
        letter = self.letter
        if letter.role != self.role:
            raise CodecError(
                f"dead letter {self.number} says that it is of {letter.role!r:.20} and was stored "
                f"with the rights of {self.role!r}: it is forged"
            )
        if letter.cut_bytes:
            raise CodecError(
                f"of the job of dead letter {self.number} only the first {len(letter.request)} "
                f"bytes were kept, the last {letter.cut_bytes} are lost: no release can read it"
            )
        try:
            request = decode(letter.request)
        except MalformedMessage as error:
            raise CodecError(self._unknown()) from error
        route = CATALOG[type(request)]
        if route.stream != _JOBS or self.role not in route.readers:
            raise CodecError(f"what dead letter {self.number} holds is no job of its role")
        return request

    def _unknown(self) -> str:
        try:
            kind = type_of(self.letter.request)
        except MalformedMessage:
            return f"what dead letter {self.number} holds is no message of any release"
        return (
            f"the job of dead letter {self.number}, {kind!r:.60}, is no message that this release "
            "knows: if the one that made it is newer, try again with that"
        )


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
            place, role = place_of(message.subject), role_of(message.subject)
            job = job_of(message.subject)
            yield Kept(message.sequence, message.stored_ns, place, role, job, letter)


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
        CodecError: Nobody may have the job again, or no worker could read it.
        BusError: The job cannot be stored, or the letter cannot be dropped.
    """
    await bus.store(letter.request(), letter.place, job=letter.job)
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
