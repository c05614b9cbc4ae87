"""``voicebus replay SESSION``: what was recorded of a session, in order, and its audio."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ, AudioChunk
from schemas.codec import MalformedMessage, decode
from schemas.event import Event
from schemas.tts import ReplyChunk
from subjects.catalog import session_log
from subjects.tokens import is_token
from voicebus import operator
from voicebus.audio.pcm import samples_of
from voicebus.audio.wav import write_wav
from voicebus.bus.client import Bus
from voicebus.bus.replay import Recorded
from voicebus.errors import BusTimeout, ConfigError, VoicebusError

_STREAMS: Final = ("AUDIO", "SESSION", "REPLY")


def add_parser(subparsers: Any) -> None:
    """Add ``replay``."""
    parser = subparsers.add_parser(
        "replay", help="print a recorded session and write its audio", description=__doc__
    )
    parser.add_argument("session", help="session id, or `last`")
    parser.add_argument("--wav", type=Path, help="caller's audio (SESSION.wav)")
    parser.add_argument("--reply-wav", type=Path, help="the answers' audio, one after the other")
    parser.add_argument("--json", action="store_true", help="one JSON object per event")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``replay``."""
    if not is_token(args.session):
        print(f"voicebus replay: not a session id: {args.session!r}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_replay(args))
    except VoicebusError as err:
        print(f"voicebus replay: {err}", file=sys.stderr)
        return 1


async def _replay(args: argparse.Namespace) -> int:
    async with operator.connected("admin", "replay") as bus:
        session = await last_session(bus) if args.session == "last" else args.session
        events = await recorded(bus, session)
    if not events:
        raise ConfigError(f"nothing is recorded of session {session}")
    show = _json_line if args.json else _line
    for message, event in events:
        print(show(message, event, events[0][0].stored_ns))
    wav = args.wav or Path(f"{session}.wav")
    audio = caller_audio([event for _, event in events])
    if len(audio):
        write_wav(wav, audio, CALLER_RATE_HZ)
        print(f"{len(audio) / CALLER_RATE_HZ:.2f} s of the caller in {wav}", file=sys.stderr)
    if args.reply_wav:
        _write_reply(args.reply_wav, [event for _, event in events])
    return 0


async def recorded(bus: Bus, session: str) -> list[tuple[Recorded, Event]]:
    """Return all that the streams hold of a session, in the order in which it was stored.

    Raises:
        BusError: The streams cannot be read.
    """
    events: list[tuple[Recorded, Event]] = []
    for stream in _STREAMS:
        for subject in session_log(bus.cell, session):
            async for message in bus.read_raw(stream, subject):
                try:
                    events.append((message, decode(message.payload)))
                except MalformedMessage:
                    print(f"not a message: {message.subject} {message.sequence}", file=sys.stderr)
    return sorted(events, key=lambda entry: (entry[0].stored_ns, entry[0].sequence))


async def last_session(bus: Bus) -> str:
    """Return the session that was opened last.

    Raises:
        BusTimeout: Nothing is recorded.
    """
    up, _ = session_log(bus.cell, "*")
    last = await bus.last("SESSION", up)
    if last is None:
        raise BusTimeout("no session is recorded")
    return last.subject.split(".")[4]


def caller_audio(events: list[Event]) -> NDArray[np.int16]:
    """Put the caller's audio together, every chunk at its place. What is missing is silence."""
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    length = max((chunk.offset + len(chunk.pcm) // 2 for chunk in chunks), default=0)
    audio = np.zeros(length, np.int16)
    for chunk in chunks:
        audio[chunk.offset : chunk.offset + len(chunk.pcm) // 2] = samples_of(chunk.pcm)
    return audio


def _write_reply(path: Path, events: list[Event]) -> None:
    # A worker that takes a turn over may say again what the log did not hold yet.
    known = {
        (event.turn, event.revision, event.offset): event
        for event in events
        if isinstance(event, ReplyChunk)
    }
    chunks = [known[at] for at in sorted(known)]
    if chunks:
        audio = np.concatenate([samples_of(chunk.pcm) for chunk in chunks])
        write_wav(path, audio, chunks[0].rate_hz)


def _described(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in event.__struct_fields__:
        value = getattr(event, name)
        fields[name] = f"<{len(value)} bytes>" if isinstance(value, bytes) else value
    return fields


def _line(message: Recorded, event: Event, first_ns: int) -> str:
    at_s = (message.stored_ns - first_ns) / 1e9
    fields = " ".join(
        f"{name}={value!r}" for name, value in _described(event).items() if value not in (0, "")
    )
    return f"{at_s:10.3f}  {event.__struct_config__.tag:<20} {fields}"


def _json_line(message: Recorded, event: Event, first_ns: int) -> str:
    return json.dumps(
        {
            "at_s": round((message.stored_ns - first_ns) / 1e9, 6),
            "subject": message.subject,
            "sequence": message.sequence,
            "type": event.__struct_config__.tag,
            **msgspec.to_builtins(_described(event)),
        }
    )
