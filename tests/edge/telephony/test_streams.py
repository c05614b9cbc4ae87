"""Carriers' WebSockets and chan_websocket: what their frames mean, and what they are sent."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.telephony.dialects import BINARY_DIALECTS, JSON_DIALECTS
from edge.telephony.events import (
    Begun,
    HungUp,
    Pressed,
    Reached,
    Spoken,
    Throttled,
    Unthrottled,
    Wire,
)
from edge.telephony.sockets import PROTOCOLS, wire_of
from tests.edge.telephony.said import (
    AUDIO,
    CLEARS,
    KEYS,
    MARKS,
    MEDIA,
    MU,
    OUT,
    STARTS,
)
from voicebus.audio.codec import Coding, Sound
from voicebus.errors import ProtocolError


def begun(protocol: str) -> tuple[Wire, Begun]:
    """A call that has begun."""
    wire = wire_of(protocol, {})
    if protocol in JSON_DIALECTS:
        assert wire.received(json.dumps({"event": "connected"})) == []
    (one,) = wire.received(json.dumps(STARTS[protocol]))
    assert isinstance(one, Begun)
    return wire, one


def told(frames: Any) -> Any:
    """The one text among what is sent."""
    (frame,) = frames
    return json.loads(frame)


@pytest.mark.parametrize("protocol", STARTS)
def test_a_call_begins_with_what_is_known_of_it(protocol: str) -> None:
    """Sound and caller, wherever the carrier writes them."""
    _, call = begun(protocol)

    wide = {"signalwire": Sound(Coding.PCM, 24_000)}
    plain = dict.fromkeys(("exotel", "vonage", "jambonz"), Sound(Coding.PCM, 8_000))
    assert call.sound == {**wide, **plain}.get(protocol, MU)
    assert call.caller == ("" if protocol in {"vonage", "signalwire"} else "+1")


@pytest.mark.parametrize("protocol", OUT)
def test_json_carries_audio_both_ways(protocol: str) -> None:
    """What we said ourselves, on the other track, is not the caller."""
    wire, call = begun(protocol)
    ours = {**MEDIA, "track": "outbound"}

    assert wire.received(json.dumps({"event": "media", "media": MEDIA})) == [
        Spoken(AUDIO, call.sound, 2, 40)
    ]
    assert wire.received(json.dumps({"event": "media", "media": ours})) == []
    sent = wire.audio(AUDIO)
    assert isinstance(sent, str)
    assert json.loads(sent) == OUT[protocol]
    assert b64decode(json.loads(sent)["media"]["payload"]) == AUDIO


@pytest.mark.parametrize("protocol", [*BINARY_DIALECTS, "asterisk"])
def test_binary_frames_are_audio(protocol: str) -> None:
    """As it is, both ways."""
    wire = wire_of(protocol, {"caller": "+1"})
    start = "MEDIA_START format:slin channel_id:1.1 optimal_frame_size:320 ptime:20"
    (call,) = wire.received(start if protocol == "asterisk" else json.dumps(STARTS[protocol]))

    assert isinstance(call, Begun)
    assert wire.received(AUDIO) == [Spoken(AUDIO, Sound(Coding.PCM, 8_000))]
    assert wire.audio(AUDIO) == AUDIO
    assert wire.received(b"") == []


@pytest.mark.parametrize("protocol", MARKS)
def test_marks_come_back(protocol: str) -> None:
    """Under the name that they were set with."""
    wire, _ = begun(protocol)
    sent, back = MARKS[protocol]

    assert told(wire.mark("m")) == sent
    assert wire.received(json.dumps(back)) == [Reached("m")]


@pytest.mark.parametrize("protocol", CLEARS)
def test_what_was_not_played_is_cleared(protocol: str) -> None:
    """In the carrier's words."""
    assert told(begun(protocol)[0].clear()) == CLEARS[protocol]


def pressing(said: Any, key: object) -> Any:
    """The same as a carrier's message for the key 1, with another key."""
    if isinstance(said, dict):
        return {name: pressing(value, key) for name, value in said.items()}
    return key if said in ("1", 1) else said


@pytest.mark.parametrize("protocol", KEYS)
def test_keys_are_heard(protocol: str) -> None:
    """And what is none is not."""
    wire, _ = begun(protocol)

    assert wire.received(json.dumps(KEYS[protocol])) == [Pressed("1")]
    assert wire.received(json.dumps(pressing(KEYS[protocol], "#"))) == [Pressed("#")]
    for key in ("?", "", "12", 12):
        assert wire.received(json.dumps(pressing(KEYS[protocol], key))) == []


def test_a_stream_ends() -> None:
    """With the carrier's word for it, or its complaint."""
    wire, _ = begun("twilio")

    assert wire.received('{"event":"stop","stop":{}}') == [HungUp()]
    assert begun("telnyx")[0].received('{"event":"error","payload":{}}') == [HungUp("failed")]
    assert begun("twilio")[0].hang_up() == []
    assert told(begun("jambonz")[0].hang_up()) == {"type": "disconnect"}


@pytest.mark.parametrize("speaks_json", [False, True])
def test_asterisk_is_spoken_to_as_it_speaks(speaks_json: bool) -> None:
    """Words or JSON, as chan_websocket.conf has it; the dialplan's parameters are the call's."""
    wire = wire_of("asterisk", {"caller": "+1", "called": "+2"})
    fields = {"connection_id": "c", "channel_id": "1.1", "format": "ulaw", "ptime": "20"}
    words = "MEDIA_START " + " ".join(f"{name}:{value}" for name, value in fields.items())
    said = json.dumps({"event": "MEDIA_START", **fields}) if speaks_json else words

    def notice(name: str, **more: str) -> str:
        plain = " ".join([name, *(f"{key}:{value}" for key, value in more.items())])
        return json.dumps({"event": name, **more}) if speaks_json else plain

    (call,) = wire.received(said)
    assert isinstance(call, Begun)
    assert (call.sound, call.call, call.caller, call.called) == (MU, "1.1", "+1", "+2")
    assert wire.received(notice("DTMF_END", digit="#", channel_id="1.1")) == [Pressed("#")]
    assert wire.received(notice("MEDIA_XOFF")) == [Throttled()]
    assert wire.received(notice("MEDIA_XON")) == [Unthrottled()]
    assert wire.received(notice("STATUS", queue_length="4")) == []
    assert wire.clear() == ['{"command":"FLUSH_MEDIA"}' if speaks_json else "FLUSH_MEDIA"]
    assert wire.hang_up() == ['{"command":"HANGUP"}' if speaks_json else "HANGUP"]


@pytest.mark.parametrize(
    ("protocol", "frame"),
    [
        ("asterisk", "MEDIA_START format:opus"),
        ("asterisk", "MEDIA_START"),
        ("asterisk", b"audio"),
        ("asterisk", "{"),
        ("asterisk", '{"event":' + "[" * 100_000),
        ("asterisk", "HELLO"),
        ("twilio", b"\x00"),
        ("twilio", "no json"),
        ("twilio", "[]"),
        ("twilio", '{"event":"media","media":{"payload":"AAAA"}}'),
        ("twilio", '{"event":"start"}'),
        ("twilio", '{"event":"start","start":{"mediaFormat":{"encoding":"OPUS"}}}'),
        ("twilio", '{"event":"start","start":{"mediaFormat":{"sampleRate":1}}}'),
        ("telnyx", '{"event":"start","start":{"media_format":{"encoding":"L16"}}}'),
        ("vonage", b"\x00\x00"),
        ("vonage", "[]"),
        ("vonage", '{"content-type":"audio/l16"}'),
        ("jambonz", '{"sampleRate":96000}'),
    ],
)
def test_what_is_of_another_protocol_is_refused(protocol: str, frame: str | bytes) -> None:
    """With its first frame, and a reason."""
    with pytest.raises(ProtocolError) as refused:
        wire_of(protocol, {}).received(frame)

    assert refused.value.reason in {"bad_frame", "unsupported_format"}


@pytest.mark.parametrize("protocol", OUT)
@pytest.mark.parametrize("payload", ["!", "AAA", "ÄÖ", "A A="])
def test_audio_that_is_no_base64_is_refused(protocol: str, payload: str) -> None:
    """Nothing is guessed."""
    wire, _ = begun(protocol)

    with pytest.raises(ProtocolError):
        wire.received(json.dumps({"event": "media", "media": {**MEDIA, "payload": payload}}))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "start",
                    "media",
                    "mark",
                    "dtmf",
                    "payload",
                    "mediaFormat",
                    "name",
                    "digit",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def refusal_of(wire: Wire, frame: str | bytes) -> str:
    """Why a frame is refused; empty when it is not."""
    try:
        wire.received(frame)
    except ProtocolError as err:
        return err.reason
    return ""


@given(st.sampled_from(PROTOCOLS), st.lists(_VALUES, max_size=3), st.binary(max_size=40))
def test_no_message_breaks_anything(protocol: str, said: list[Any], audio: bytes) -> None:
    """It means something or is refused."""
    wire = wire_of(protocol, {})
    if protocol in STARTS:
        wire.received(json.dumps(STARTS[protocol]))
    frames: list[str | bytes] = [*map(json.dumps, said), audio]
    reasons = {refusal_of(wire, frame) for frame in frames}

    assert reasons <= {"", "bad_frame", "unsupported_format"}
