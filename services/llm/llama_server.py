"""llama.cpp's own OpenAI-compatible server as a process of its own: the embedded language model.

    python -m services.llm.llama_server --model FILE.gguf --port 8080

Loading blocks; the address is printed in one line on stdout as soon as requests are answered, and
``GET /health`` answers from then on. Ends with code 0 on SIGTERM and SIGINT, with 1 and a sentence
on stderr when the model cannot be loaded. Metrics of llama.cpp are at ``/metrics``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from voicebus.cores import all_threads, spare_threads
from voicebus.errors import EngineUnavailable

if TYPE_CHECKING:
    import xllamacpp

_ENDS = {signal.SIGTERM, signal.SIGINT}
_LOCAL_HOST = "127.0.0.1"

_SPINS: Final = "500"
"""How long a thread that waits for the others keeps its core: some microseconds.

The library's default is milliseconds. Where recognition or a voice wants the same core, each of
the hundreds of waits of a token then costs it a slice of the scheduler's time.
"""


class LlamaSettings(Struct, frozen=True, kw_only=True):
    """How the server runs.

    Fields
        model: The .gguf file.
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        slots: Replies that are generated at the same time; more wait in the server. Each slot
            keeps its last prompt, so that two conversations do not throw out each other's.
        context_tokens: Prompt and reply of one slot.
        threads: That read a prompt. Everybody waits for its end.
        writing_threads: That write a reply. They wait for each other many times per token, so one
            that does not get its core holds up all of them, and the voice works meanwhile.
        prompt_cache_mib: Memory for prompts of conversations that hold no slot at the moment.
    """

    model: Path
    host: str = _LOCAL_HOST
    port: int = 0
    slots: int = 2
    context_tokens: int = 2048
    threads: int = 1
    writing_threads: int = 1
    prompt_cache_mib: int = 128


def start(settings: LlamaSettings) -> xllamacpp.Server:
    """Load the model and listen. The server stops when the returned object is deleted.

    Raises:
        EngineUnavailable: There is no such file, it is no model, or the port is taken.
    """
    if not settings.model.is_file():
        raise EngineUnavailable(f"There is no model file {settings.model.name!r}.")
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    import xllamacpp  # noqa: PLC0415 - its threads read the environment when it is loaded

    params = xllamacpp.CommonParams()
    params.model.path = str(settings.model)
    params.model_alias = {settings.model.stem}
    params.hostnames = [settings.host]
    params.port = settings.port
    params.n_parallel = settings.slots
    params.n_ctx = settings.context_tokens * settings.slots
    params.cache_prompt = True
    params.cache_ram_mib = settings.prompt_cache_mib
    params.cpuparams.n_threads = settings.writing_threads
    params.cpuparams_batch.n_threads = settings.threads
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.poll = 0  # sleeping threads instead of spinning ones
    params.n_gpu_layers = 0
    params.fit_params = False  # would shrink the context to what it thinks the memory holds
    params.warmup = True
    params.endpoint_metrics = True
    params.endpoint_slots = False  # shows the prompts of others
    params.ui = False
    params.cors_origins = ""
    params.verbosity = 0
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError) as err:
        raise EngineUnavailable(
            f"llama.cpp cannot serve {settings.model.name!r}: it is no model, or the port is taken."
        ) from err


def parse(arguments: Sequence[str]) -> LlamaSettings:
    """Read the settings from the command line."""
    default = LlamaSettings(model=Path())
    parser = argparse.ArgumentParser(prog="services.llm.llama_server", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--port", type=int, default=default.port)
    parser.add_argument("--slots", type=int, default=default.slots)
    parser.add_argument("--context-tokens", type=int, default=default.context_tokens)
    parser.add_argument("--threads", type=int, default=all_threads())
    parser.add_argument("--writing-threads", type=int, default=spare_threads())
    parser.add_argument("--prompt-cache-mib", type=int, default=default.prompt_cache_mib)
    return LlamaSettings(**vars(parser.parse_args(arguments)))


def main() -> int:
    """Serve until a signal comes; return the exit code."""
    settings = parse(sys.argv[1:])
    # Before the server starts its threads, so that they inherit it and the signal is ours to await.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        server = start(settings)
    except EngineUnavailable as err:
        sys.stderr.write(f"{err}\n")
        return 1
    sys.stdout.write(f"listening {server.listening_address}\n")
    sys.stdout.flush()
    signal.sigwait(_ENDS)
    # Stopping the server waits for running replies, which nobody reads any more.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
