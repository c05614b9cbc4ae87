"""An XTTS checkpoint: loaded, conditioned on speakers, and streamed from. All of it blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray
from TTS.tts.configs.xtts_config import XttsConfig
from TTS.tts.models.xtts import Xtts

from schemas.voice import VoiceKept
from voicebus.audio.resample import Resampler
from voicebus.errors import EngineError, EngineUnavailable

SAMPLES_HZ: Final = 22_050
"""Rate at which the model hears samples."""

SPOKEN_HZ: Final = 24_000
"""Rate at which it speaks."""

_FILES: Final = ("config.json", "model.pth", "vocab.json")
_ENDS_BYTES: Final = 64 << 10

Samples = NDArray[np.float32]


class Speaker(Struct, frozen=True):
    """What the model is conditioned with to speak like somebody.

    Fields
        latents: Of the language model, shape (1, n, channels).
        embedding: Of the decoder, shape (1, n, 1).
        digest: Of both.
    """

    latents: NDArray[np.float32]
    embedding: NDArray[np.float32]
    digest: str


class Manner(Struct, frozen=True):
    """How a text is spoken.

    Fields
        speed: 1.0 is the speaker's own.
        warmth: Factor on the model's own sampling temperature.
        chunk_tokens: Tokens of each piece; one is 43 ms.
        seed: Of what is drawn: the same words sound the same.
    """

    speed: float = 1.0
    warmth: float = 1.0
    chunk_tokens: int = 20
    seed: int = 0


class XttsModel:
    """A loaded checkpoint. Belongs to one thread.

    Args:
        folder: With config.json, model.pth and vocab.json.
        device: ``cpu``, ``cuda`` or ``auto``.
        threads: Of the inference on a CPU.

    Attributes:
        name: The folder's.
        digest: Tells its weights from others: latents are for these alone.
        version: What its sound depends on besides the speaker.
        languages: ISO 639-1 codes of what it speaks.
        speakers: Those that come with it, by name.

    Raises:
        EngineUnavailable: A file is missing or damaged, its rates are others than those above, or
            the device is not there.
    """

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        self.name = folder.name
        lacking = [name for name in _FILES if not (folder / name).is_file()]
        if lacking:
            raise EngineUnavailable(
                f"The XTTS model in {folder} is not complete (missing: {', '.join(lacking)})."
            )
        chosen = _device(device)
        torch.set_num_threads(threads)
        try:
            config = XttsConfig()
            config.load_json(str(folder / "config.json"))
            model = Xtts(config)
            # From the folder alone: the library would look for what is missing on the network.
            model.load_checkpoint(config, checkpoint_dir=str(folder), eval=True)
            model.to(chosen)
        except Exception as err:  # torch and the library raise classes of many kinds
            raise EngineUnavailable(f"The XTTS model in {folder} cannot be loaded.") from err
        rates = (config.model_args.input_sample_rate, config.model_args.output_sample_rate)
        if rates != (SAMPLES_HZ, SPOKEN_HZ):
            raise EngineUnavailable(
                f"The XTTS model in {folder} hears samples at {rates[0]} Hz and speaks at "
                f"{rates[1]} Hz; {SAMPLES_HZ} and {SPOKEN_HZ} Hz are supported."
            )
        self._config: Any = config
        self._model: Any = model
        self.digest = _digest_of(folder)
        kind = "cpu" if chosen == "cpu" else torch.cuda.get_device_name()
        self.version = f"xtts {version('coqui-tts')} {torch.__version__} {kind} {self.digest}"
        self.languages: tuple[str, ...] = tuple(
            dict.fromkeys(code.split("-")[0] for code in config.languages)
        )
        self.speakers: Mapping[str, Speaker] = dict(_own_speakers(model))

    def latents(self, samples: Sequence[tuple[int, NDArray[np.int16]]]) -> Speaker:
        """Return the speaker of some samples, as the library's own method finds it.

        That method reads files, with a library that wants FFmpeg; what it does with them is here.

        Args:
            samples: Rate in Hz and samples, int16 (n,), of each.

        Raises:
            EngineError: They are too short, or the library failed.
        """
        config, model = self._config, self._model
        try:
            with torch.inference_mode():
                heard = [self._heard(rate_hz, pcm) for rate_hz, pcm in samples]
                embeddings = [model.get_speaker_embedding(one, SAMPLES_HZ) for one in heard]
                embedding = torch.stack(embeddings).mean(dim=0)
                latents = model.get_gpt_cond_latents(
                    torch.cat(heard, dim=-1),
                    SAMPLES_HZ,
                    length=config.gpt_cond_len,
                    chunk_length=config.gpt_cond_chunk_len,
                )
        except Exception as err:
            raise EngineError("The model can make no voice of these samples.") from err
        return _speaker(latents.float().cpu().numpy(), embedding.float().cpu().numpy())

    def stream(
        self, text: str, language: str, speaker: Speaker, manner: Manner
    ) -> Iterator[Samples]:
        """Yield the samples of a text at ``SPOKEN_HZ``, -1 to 1, piece by piece.

        Args:
            text: What is spoken.
            language: One of ``languages``.
            speaker: Who speaks.
            manner: How.
        """
        config, model = self._config, self._model
        torch.manual_seed(manner.seed)
        with torch.inference_mode():
            pieces = model.inference_stream(
                text,
                language,
                torch.from_numpy(speaker.latents),
                torch.from_numpy(speaker.embedding),
                stream_chunk_size=manner.chunk_tokens,
                temperature=max(0.01, config.temperature * manner.warmth),
                length_penalty=config.length_penalty,
                repetition_penalty=config.repetition_penalty,
                top_k=config.top_k,
                top_p=config.top_p,
                speed=manner.speed,
                enable_text_splitting=False,
            )
        while True:
            # The mode belongs to the thread, which does other things between two pieces.
            with torch.inference_mode():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece.float().cpu().numpy().reshape(-1)

    def _heard(self, rate_hz: int, pcm: NDArray[np.int16]) -> Any:
        most = self._config.max_ref_len * SAMPLES_HZ
        resampler = Resampler(rate_hz, SAMPLES_HZ)
        audio = np.concatenate((resampler.push(pcm), resampler.finish()))[:most]
        told = torch.from_numpy(audio.astype(np.float32) / np.float32(32768))[None]
        if self._config.sound_norm_refs:
            told = told / told.abs().max() * 0.75
        return told.to(self._model.device)


def speaker_of(kept: VoiceKept) -> Speaker:
    """Return the speaker that is kept."""
    latents = np.frombuffer(kept.latents, "<f4").reshape(kept.shape).copy()
    return _speaker(latents, np.frombuffer(kept.speaker, "<f4").reshape(1, -1, 1).copy())


def _speaker(latents: NDArray[np.float32], embedding: NDArray[np.float32]) -> Speaker:
    told = latents.astype("<f4").tobytes() + embedding.astype("<f4").tobytes()
    return Speaker(latents, embedding, hashlib.sha256(told).hexdigest()[:16])


def _own_speakers(model: Any) -> Iterator[tuple[str, Speaker]]:
    manager = getattr(model, "speaker_manager", None)
    for name, told in (manager.speakers if manager is not None else {}).items():
        latents, embedding = told["gpt_cond_latent"], told["speaker_embedding"]
        made = _speaker(latents.float().cpu().numpy(), embedding.float().cpu().numpy())
        # Names on the wire have no spaces.
        yield name.replace(" ", "-"), made


def _device(wanted: str) -> str:
    has_cuda = torch.cuda.is_available()
    if wanted == "cuda" and not has_cuda:
        raise EngineUnavailable("There is no graphics card for the voice model.")
    return "cuda" if has_cuda and wanted != "cpu" else "cpu"


def _digest_of(folder: Path) -> str:
    weights = folder / "model.pth"
    size = weights.stat().st_size
    digest = hashlib.sha256((folder / "config.json").read_bytes() + str(size).encode())
    with weights.open("rb") as file:
        digest.update(file.read(_ENDS_BYTES))
        file.seek(max(0, size - _ENDS_BYTES))
        digest.update(file.read())
    return digest.hexdigest()[:16]
