"""Variables that others read: libraries, compose and Grafana. Their names are not ours to choose.

``voicebus config check`` knows nothing of them; the page of the settings has them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Variable(Struct, frozen=True):
    """One variable.

    Fields
        name: In the environment.
        default: What is meant where it is not set.
        meaning: What it is for.
    """

    name: str
    default: str
    meaning: str


class Group(Struct, frozen=True):
    """Variables with one reader.

    Fields
        title: Whose they are.
        about: Who reads them, and where they are written.
        variables: In the order in which they are read about.
    """

    title: str
    about: str
    variables: tuple[Variable, ...]


_TRACES: Final = (
    "Where traces are looked at, up to a trace's id (`http://127.0.0.1:16686/trace/` of a Jaeger): "
    "the dots on slow answers lead there."
)

OTHERS: Final = (
    Group(
        "Of libraries and the system",
        "Read by every process.",
        (
            Variable(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "",
                "Heads of what is sent to `VOICEBUS_TRACING_ENDPOINT`, as a collector's key: "
                "`name=value`, with commas between them.",
            ),
            Variable(
                "XDG_DATA_HOME",
                "~/.local/share",
                "Folder in which the folder `voicebus` has keys, users, logs and models, where no "
                "setting names another.",
            ),
        ),
    ),
    Group(
        "Of deploy/compose.yaml",
        "Read by compose, from the shell in which it is called or from `deploy/.env`.",
        (
            Variable(
                "PUBLISH",
                "127.0.0.1",
                "Address of this machine at which the edges' ports are open; `0.0.0.0` for all, "
                "once there is a key.",
            ),
            Variable(
                "VOSK_MODEL",
                "vosk-model-small-en-us-0.15",
                "Profile `vosk`: folder of the model, in `deploy/vosk`.",
            ),
            Variable(
                "LLM_MODEL",
                "Qwen/Qwen2.5-1.5B-Instruct",
                "Profiles `gpu` and `xtts`: what vLLM serves, a name of its hub.",
            ),
            Variable("TRACES_URL", "", f"Profile `monitoring`: given to Grafana. {_TRACES}"),
        ),
    ),
    Group(
        "Of deploy/grafana/provisioning",
        "Read by Grafana when it starts, where the containers of compose do not give them.",
        (
            Variable(
                "PROMETHEUS_URL", "", "Where the Prometheus of the dashboards is; no default."
            ),
            Variable("TRACES_URL", "", _TRACES),
        ),
    ),
)
