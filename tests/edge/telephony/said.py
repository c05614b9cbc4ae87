"""What carriers say and are told, as their pages have it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from voicebus.audio.codec import Coding, Sound

MU = Sound(Coding.MU)
AUDIO = bytes(range(160))
PAYLOAD = b64encode(AUDIO).decode()
MEDIA = {"track": "inbound", "chunk": "2", "timestamp": "40", "payload": PAYLOAD}
MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
STARTS: dict[str, Any] = {
    "twilio": {
        "event": "start",
        "streamSid": "MZ1",
        "start": {
            "streamSid": "MZ1",
            "callSid": "CA1",
            "mediaFormat": MULAW,
            "customParameters": {"caller": "+1", "x": "y"},
        },
    },
    "signalwire": {
        "event": "start",
        "streamSid": "MZ1",
        "start": {
            "callSid": "CA1",
            "mediaFormat": {"encoding": "audio/x-L16", "sampleRate": 24000},
        },
    },
    "telnyx": {
        "event": "start",
        "stream_id": "S1",
        "start": {
            "call_control_id": "v2:1",
            "from": "+1",
            "to": "+2",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    "plivo": {
        "event": "start",
        "start": {"callId": "c", "streamId": "S1", "mediaFormat": MULAW},
        "extra_headers": "caller=+1;b=2",
    },
    "exotel": {
        "event": "start",
        "stream_sid": "S1",
        "start": {"call_sid": "c", "from": "+1", "media_format": {"sample_rate": "8000"}},
    },
    "vonage": {"event": "websocket:connected", "content-type": "audio/l16;rate=8000"},
    "jambonz": {"callSid": "c", "from": "+1", "sampleRate": 8000},
}
OUT: dict[str, Any] = {
    "twilio": {"event": "media", "streamSid": "MZ1", "media": {"payload": PAYLOAD}},
    "signalwire": {"event": "media", "streamSid": "MZ1", "media": {"payload": PAYLOAD}},
    "telnyx": {"event": "media", "stream_id": "S1", "media": {"payload": PAYLOAD}},
    "plivo": {
        "event": "playAudio",
        "streamId": "S1",
        "media": {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": PAYLOAD},
    },
    "exotel": {"event": "media", "stream_sid": "S1", "media": {"payload": PAYLOAD}},
}
MARKS: dict[str, tuple[Any, Any]] = {
    "twilio": (
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m"}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "m"}},
    ),
    "plivo": (
        {"event": "checkpoint", "streamId": "S1", "name": "m"},
        {"event": "playedStream", "streamId": "S1", "name": "m"},
    ),
    "vonage": (
        {"action": "notify", "payload": {"mark": "m"}},
        {"event": "websocket:notify", "payload": {"mark": "m"}},
    ),
    "jambonz": (
        {"type": "mark", "data": {"name": "m"}},
        {"type": "mark", "data": {"name": "m", "event": "playout"}},
    ),
}
CLEARS: dict[str, Any] = {
    "twilio": {"event": "clear", "streamSid": "MZ1"},
    "telnyx": {"event": "clear", "stream_id": "S1"},
    "plivo": {"event": "clearAudio", "streamId": "S1"},
    "exotel": {"event": "clear", "stream_sid": "S1"},
    "vonage": {"action": "clear"},
    "jambonz": {"type": "killAudio"},
}
KEYS: dict[str, Any] = {
    "twilio": {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "1"}},
    "plivo": {"event": "dtmf", "dtmf": {"track": "inbound", "digit": 1}},
    "vonage": {"event": "websocket:dtmf", "digit": "1", "duration": 260},
    "jambonz": {"event": "dtmf", "dtmf": "1", "duration": "1600"},
}
