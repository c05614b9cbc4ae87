"""What vLLM serves in the tests, made of the project's own model; runs in vLLM's environment.

    python vllm_files.py MODEL.gguf FOLDER

``FOLDER/model`` is the model as it was before it was quantised, nearly; ``FOLDER/adapter`` is a
LoRA adapter with weights drawn at random: its words make no sense, and are others than the model's.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

RANK = 8
TARGETS = ("q_proj", "v_proj")


def main(gguf: Path, folder: Path) -> None:
    """Write both."""
    transformers = import_module("transformers")
    named = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**named, dtype="float32")
    # It is in full width now, and would refuse to be written as what it was.
    del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    model.save_pretrained(folder / "model")
    transformers.AutoTokenizer.from_pretrained(**named).save_pretrained(folder / "model")
    write_adapter(model, folder / "adapter")


def write_adapter(model: Any, folder: Path) -> None:
    """Write an adapter for the attention of each layer."""
    torch = import_module("torch")
    torch.manual_seed(1)
    weights = {}
    for name, module in model.named_modules():
        if name.endswith(TARGETS):
            path = f"base_model.model.{name}"
            wide = 0.2 * torch.randn(RANK, module.in_features)
            weights[f"{path}.lora_A.weight"] = wide.contiguous()
            weights[f"{path}.lora_B.weight"] = 0.2 * torch.randn(module.out_features, RANK)
    folder.mkdir(parents=True, exist_ok=True)
    import_module("safetensors.torch").save_file(weights, folder / "adapter_model.safetensors")
    told = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "smollm2",
        "r": RANK,
        "lora_alpha": RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(TARGETS),
    }
    (folder / "adapter_config.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
