"""vLLM itself, on this machine's processor, with the project's model and an adapter.

It is started with the words of its container in deploy/compose.yaml, and with those that a small
processor needs besides.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx2
import pytest
import yaml

from tests.models import model_path
from tests.plain import PLAIN
from voicebus import parts

PYTHON: Final = Path(
    os.environ.get("VLLM_PYTHON") or parts.project_root() / "build" / "vllm" / "bin" / "python"
)
"""Made by `make engines-test`."""

ENTRYPOINT: Final = ("vllm", "serve")
MODEL: Final = "smollm2"
ADAPTER: Final = "pirate"
_HERE: Final = Path(__file__).parent
_START_S: Final = 240.0


def is_installed() -> bool:
    """Whether there is a vLLM to be served from."""
    if not PYTHON.exists():
        return False
    asked = [str(PYTHON), "-c", "from importlib import metadata; metadata.version('vllm')"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


@contextmanager
def vllm_server(folder: Path) -> Iterator[str]:
    """Serve the model and the adapter; yield the server's address, without a path.

    Args:
        folder: For both.
    """
    if not is_installed():
        pytest.skip(f"vLLM is not installed ({PYTHON}): llama.cpp stands in")
    (gguf,) = model_path("smollm2-135m-instruct-q4_1").glob("*.gguf")
    subprocess.run([PYTHON, _HERE / "vllm_files.py", gguf, folder], check=True, timeout=300)
    port = parts.free_port()
    with (
        (folder / "vllm.log").open("wb") as log,
        subprocess.Popen(
            _command(folder, port), stdout=log, stderr=log, env=_environment(), cwd=folder
        ) as process,
    ):
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", folder / "vllm.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def container() -> list[str]:
    """What follows on its image's entrypoint, which is :data:`ENTRYPOINT`."""
    text = (parts.project_root() / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load(text)["services"]["vllm"]["command"])


def _command(folder: Path, port: int) -> list[str]:
    program, *serve = ENTRYPOINT
    serving = [str(PYTHON), str(PYTHON.with_name(program)), *serve]
    serving += [re.sub(r"\$\{LLM_MODEL:-.+\}", str(folder / "model"), w) for w in container()]
    address = ["--host", "127.0.0.1", "--port", str(port)]
    model = ["--served-model-name", MODEL, "--dtype", "float32"]
    size = ["--max-model-len", "1024", "--max-num-seqs", "4", "--enforce-eager"]
    adapters = ["--enable-lora", "--lora-modules", f"{ADAPTER}={folder / 'adapter'}"]
    return [*serving, *address, *model, *size, *adapters]


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return own | {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if process.poll() is not None:
            break
        with suppress(httpx2.HTTPError):
            if httpx2.get(url, timeout=2.0, **PLAIN).status_code == 200:
                return
        time.sleep(0.5)
    raise RuntimeError(f"vLLM did not start: {log.read_text(errors='replace')[-3000:]}")
