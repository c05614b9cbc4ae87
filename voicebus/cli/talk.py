"""``voicebus talk``: call a running system with a recording, and hear what it answers."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
import numpy as np

from voicebus import settings
from voicebus.audio.pcm import samples_of
from voicebus.audio.resample import Resampler
from voicebus.audio.wav import parse_wav, write_wav
from voicebus.caller import RATE_HZ, call
from voicebus.cli.show import harmless
from voicebus.errors import ConfigError, CorruptAudio, UnsupportedAudio, VoicebusError
from voicebus.settings import TALK_SCOPE, TalkSettings
from voicebus.waterfall import draw_waterfall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from voicebus.exchange import TurnHeard

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT_URL = "ws://127.0.0.1:8080/ws"


def add_parser(subparsers: Subparsers) -> None:
    """Add ``talk``; it sets ``run``, from the arguments to an exit code."""
    talk = subparsers.add_parser("talk", help="speak a recording into a running system")
    said = talk.add_mutually_exclusive_group(required=True)
    said.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="the recording, in any format; - reads a WAV or raw s16le at 16 kHz from stdin",
    )
    said.add_argument("--text", type=_words, help="type a turn instead of speaking one")
    talk.add_argument("--url", default=DEFAULT_URL, help="address of /ws (default: %(default)s)")
    talk.add_argument(
        "--key", default="", help="API key, where the system wants one (or VOICEBUS_TALK_KEY)"
    )
    talk.add_argument("--out", type=Path, metavar="WAV", help="write the answer's audio here")
    talk.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    talk.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``voicebus talk``; 0 when it was answered."""
    try:
        recording = None if args.text else read_recording(args.file)
        heard = asyncio.run(_talk(args, recording))
        if args.out is not None:
            _write(args.out, heard)
    except VoicebusError as err:
        return _fail(str(err))
    except KeyboardInterrupt:
        return _fail("Interrupted.")
    if args.json:
        print(msgspec.json.encode(in_json(heard)).decode())
    else:
        _show(heard, args.out)
    if not heard.turns:
        return _fail("No words were heard in the recording.")
    return _fail(heard.errors[-1]) if heard.errors and not heard.reply else 0


def read_recording(name: str) -> NDArray[np.int16]:
    """Read a recording as mono samples at 16 kHz.

    Args:
        name: Path of a file, or ``-`` for standard input.

    Raises:
        ConfigError: The file cannot be read.
        AudioError: It holds no audio that can be used.
    """
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as err:
        raise ConfigError(f"{name} cannot be read: {err.strerror or err}.") from err
    if not data:
        raise CorruptAudio("The recording is empty.")
    if name == "-" and data[:4] != b"RIFF":
        return samples_of(data[: len(data) & ~1])
    try:
        rate_hz, samples = parse_wav(data)
    except UnsupportedAudio:
        # Only other formats need a decoder library, and it comes with an extra.
        from voicebus.audio.decode import decode_file  # noqa: PLC0415

        return decode_file(data)[1]
    if not samples.size:
        raise CorruptAudio("The recording is empty.")
    resampler = Resampler(rate_hz, RATE_HZ)
    return np.concatenate([resampler.push(samples), resampler.finish()])


def in_json(heard: TurnHeard) -> dict[str, Any]:
    """Return what ``--json`` prints: durations per stage in ms, the response as it was heard."""
    durations = {stage.name: stage.end_ms - stage.start_ms for stage in heard.server_stages}
    return {
        "transcript": heard.transcript,
        "reply": heard.reply,
        "latency_ms": {
            name: None if ms is None else round(ms, 1)
            for name, ms in {"response": heard.response_ms, **durations}.items()
        },
        "audio_seconds": round(heard.audio_seconds, 3),
        "session_id": heard.session_id,
        **({"synthetic": True} if heard.synthetic else {}),
    }


async def _talk(args: argparse.Namespace, recording: NDArray[np.int16] | None) -> TurnHeard:
    captions = Captions(sys.stdout)
    observe = (lambda _: None) if args.json else captions.show
    key = args.key or settings.read(TalkSettings, os.environ, TALK_SCOPE).key
    async with call(args.url, observe=observe, key=key) as caller:
        if recording is None:
            return await caller.type_text(args.text)
        return await caller.speak(recording)


class Captions:
    """Prints what is said while it is said; partials only where a line can be overwritten."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_replying = False

    def show(self, message: dict[str, Any]) -> None:
        """Print one message of the server, if it is something that was said."""
        match message["type"]:
            case "partial" if self._out.isatty():
                self._print(f"\r\x1b[K\x1b[2myou    {harmless(message['text'])}\x1b[0m")
            case "turn_started":
                clear = "\r\x1b[K" if self._out.isatty() else ""
                self._print(f"{clear}you    {harmless(message['text'])}\n")
            case "reconnecting":
                self._print("\n…      the connection broke; making another one\n")
            case "resumed":
                self._print("…      connected again\n")
            case "reply_text":
                if message.get("anew") and self._is_replying:
                    self._print("\n…      the reply begins anew\n")
                    self._is_replying = False
                text = harmless(message["text"])
                self._print(text if self._is_replying else f"reply  {text}")
                self._is_replying = True
            case "reply_done" | "turn_ended" if self._is_replying:
                self._print("\n")
                self._is_replying = False

    def _print(self, text: str) -> None:
        print(text, end="", file=self._out, flush=True)


def _show(heard: TurnHeard, out: Path | None) -> None:
    if heard.server_stages or heard.response_ms is not None:
        print()
        print(draw_waterfall(heard.server_stages, heard.response_ms))
    if heard.synthetic:
        print("\nSynthetic engines made this answer.")
    if heard.audio and out is not None:
        print(f"\n{heard.audio_seconds:.2f} s of audio in {out}")
    elif heard.audio:
        print(f"\n{heard.audio_seconds:.2f} s of audio; --out reply.wav keeps it")


def _write(path: Path, heard: TurnHeard) -> None:
    try:
        write_wav(path, samples_of(heard.audio), heard.rate_hz or 24_000)
    except OSError as err:
        raise ConfigError(f"{path} cannot be written: {err.strerror or err}.") from err


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("there are no words in it")
    return text


def _fail(sentence: str) -> int:
    print(f"voicebus talk: {sentence}", file=sys.stderr)
    return 1
