"""An XTTS checkpoint of the library's own classes, small and never trained: its audio is noise.

All else is real: files, loading, latents, streaming, rates, languages and the end of a text, which
it is taught to find after a second for each twelve characters or so by chance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LANGUAGES = (
    *("en", "de", "fr", "es", "it", "pt", "pl", "zh-cn", "ar"),
    *("cs", "ru", "nl", "tr", "ja", "hu", "ko", "hi"),
)
_LETTERS = "abcdefghijklmnopqrstuvwxyzабвгдеёжзийклмнопрстуфхцчшщъыьэюя.,!?'- "
_CODES = 64
LONGEST_TOKENS = 120
"""Of one text: 5.1 s."""


def tiny_xtts(folder: Path, *, seed: int = 1) -> Path:
    """Write a checkpoint; return its folder."""
    import torch  # noqa: PLC0415 - in the environment of the engines only
    from TTS.tts.configs.xtts_config import XttsConfig  # noqa: PLC0415
    from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer  # noqa: PLC0415
    from TTS.tts.models.xtts import Xtts, XttsArgs, XttsAudioConfig  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    words = _tokenizer(folder / "vocab.json")
    arguments = XttsArgs(
        gpt_layers=2,
        gpt_n_model_channels=64,
        gpt_n_heads=2,
        gpt_num_audio_tokens=_CODES + 2,
        gpt_start_audio_token=_CODES,
        gpt_stop_audio_token=_CODES + 1,
        gpt_max_audio_tokens=LONGEST_TOKENS,
        gpt_use_perceiver_resampler=True,
        gpt_number_text_tokens=len(words),
        gpt_start_text_token=words["[START]"],
        gpt_stop_text_token=words["[STOP]"],
        decoder_input_dim=64,
    )
    config = XttsConfig(model_args=arguments, audio=XttsAudioConfig())
    config.save_json(str(folder / "config.json"))
    torch.manual_seed(seed)
    model: Any = Xtts(config)
    model.tokenizer = VoiceBpeTokenizer(vocab_file=str(folder / "vocab.json"))
    model.init_models()
    with torch.no_grad():
        # Nearly every token goes on, and none is louder than another.
        model.gpt.mel_head.bias[_CODES + 1] = -1.0
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    return folder


def _tokenizer(path: Path) -> dict[str, int]:
    """Write a tokenizer of letters; return its words."""
    from tokenizers import Tokenizer, models  # noqa: PLC0415

    special = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *(f"[{code}]" for code in _LANGUAGES)]
    words = {word: number for number, word in enumerate([*special, *sorted(set(_LETTERS))])}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(path))
    return words
