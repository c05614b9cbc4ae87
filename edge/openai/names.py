"""Models and voices by the names that clients have for them."""

from __future__ import annotations

from typing import Final

from edge.openai.errors import BadRequest
from edge.openai.settings import OpenAISettings, is_role
from voicebus.errors import NoWorker
from voicebus.fleet import Fleet

TASKS: Final = {
    "llm": "text-generation",
    "tts": "text-to-speech",
    "stt": "automatic-speech-recognition",
}
"""The roles that serve models, and what clients call what they do."""

_RETRY_S: Final = 5.0


class Names:
    """Finds what is served under a name.

    Args:
        fleet: What is served.
        settings: The further names.
    """

    def __init__(self, fleet: Fleet, settings: OpenAISettings) -> None:
        self._fleet = fleet
        self._models = settings.model_aliases()
        self._voices = settings.voice_aliases()

    async def model(self, name: str, role: str) -> str:
        """Return the model that a role serves under a name.

        Raises:
            NoWorker: Nobody of this role is there.
            BadRequest: ``model_not_found``.
        """
        served = await self._fleet.models(role)
        if not served:
            absent = NoWorker(f"no {role} worker is there; try again in a few seconds")
            absent.retry_after_s = _RETRY_S
            raise absent
        meant = self._models.get(name, name)
        if meant == role:
            return served[0]
        if meant not in served:
            raise BadRequest(
                f"The model `{name}` does not exist, or does not do this here.",
                "model",
                "model_not_found",
            )
        return meant

    async def expect_any(self, name: str, role: str) -> None:
        """Ask for a role whose jobs are taken by any of its workers, whatever model they have.

        Raises:
            NoWorker: Nobody of this role is there.
            BadRequest: ``model_not_found``, or ``model_not_selectable``: there are several, of
                which one is named.
        """
        await self.model(name, role)
        served = await self._fleet.models(role)
        if len(served) > 1 and self._models.get(name, name) != role:
            raise BadRequest(
                f"Several models do this here, and which of them is not chosen by a request: "
                f"`{name}` cannot be promised. Ask for a name that stands for all of them.",
                "model",
                "model_not_selectable",
            )

    async def voice(self, name: str) -> str:
        """Return the voice that is meant by a name; empty for the default one.

        Raises:
            BadRequest: ``voice_not_found``.
        """
        meant = self._voices.get(name, name)
        if meant and meant not in await self._fleet.voices():
            raise BadRequest(f"There is no voice `{name}`.", "voice", "unknown_voice")
        return meant

    async def models(self, *roles: str) -> dict[str, str]:
        """Return every name of a model that is served, and the first role that serves it.

        Args:
            roles: Whose models; all if none.
        """
        served = {role: await self._fleet.models(role) for role in roles or TASKS}
        found: dict[str, str] = {}
        for role, names in served.items():
            for name in names:
                found.setdefault(name, role)
        for alias, meant in self._models.items():
            role = meant if is_role(meant) else found.get(meant, "")
            if served.get(role):
                found.setdefault(alias, role)
        return found

    async def voices(self) -> tuple[str, ...]:
        """Return every name of a voice: the voices themselves, then the further names."""
        served = await self._fleet.voices()
        further = [name for name, meant in self._voices.items() if not meant or meant in served]
        return (*served, *further) if served else ()
