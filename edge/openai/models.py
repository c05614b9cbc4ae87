"""GET /v1/models, /v1/audio/models and /v1/audio/voices: what the fleet serves right now."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import JSONResponse, Response

from edge.openai.endpoint import Call
from edge.openai.errors import BadRequest
from edge.openai.names import TASKS

_OWNER: Final = "voicebus"
_SPEAKS: Final = "tts"


async def list_models(call: Call) -> Response:
    """Return all models, with the names that stand for them."""
    names = call.api.names
    voices = await names.voices()
    data = [_model(name, role, voices) for name, role in (await names.models()).items()]
    return JSONResponse({"object": "list", "data": data})


async def retrieve_model(call: Call) -> Response:
    """Return one model; its name may have slashes.

    Raises:
        BadRequest: ``model_not_found``.
    """
    name = call.request.path_params["model"]
    names = call.api.names
    role = (await names.models()).get(name)
    if role is None:
        raise BadRequest(f"The model `{name}` does not exist.", "model", "model_not_found")
    return JSONResponse(_model(name, role, await names.voices()))


async def list_audio_models(call: Call) -> Response:
    """Return the models that speak, as Open WebUI asks for them."""
    names = await call.api.names.models(_SPEAKS)
    return JSONResponse({"models": [{"id": name, "name": name} for name in names]})


async def list_voices(call: Call) -> Response:
    """Return the voices, as Open WebUI and wyoming-openai ask for them."""
    voices = await call.api.names.voices()
    return JSONResponse({"voices": [{"id": name, "name": name} for name in voices]})


def _model(name: str, role: str, voices: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": name,
        "object": "model",
        # When a model was made is not known; the SDKs want a number.
        "created": 0,
        "owned_by": _OWNER,
        "task": TASKS[role],
    }
    if role == _SPEAKS:
        told["voices"] = [{"name": voice} for voice in voices]
    return told
