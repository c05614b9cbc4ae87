"""``python -m edge``: one edge process."""

from __future__ import annotations

import asyncio
import os
import sys

import structlog
from starlette.routing import BaseRoute

from edge.access import Door
from edge.app import create_app
from edge.call import KIND
from edge.keys import Keys
from edge.openai.app import routes
from edge.openai.endpoint import api_of
from edge.openai.settings import SCOPE as OPENAI_SCOPE
from edge.openai.settings import OpenAISettings
from edge.server import options
from edge.settings import SCOPE, EdgeSettings, listed
from edge.widget import app as widgets
from edge.widget.settings import SCOPE as WIDGET_SCOPE
from edge.widget.settings import WidgetSettings
from subjects.streams import Record
from subjects.tokens import new_token
from voicebus import health, pulse, settings, systemd
from voicebus.errors import ConfigError
from voicebus.fleet import Fleet
from voicebus.keys import keys_file
from voicebus.process import attached, run
from voicebus.sessions.capacity import Capacity
from voicebus.sessions.sessions import Sessions
from voicebus.settings import BusSettings, ProcessSettings

log = structlog.get_logger()


async def main(stop: asyncio.Event) -> None:
    """Serve clients until ``stop``, then say goodbye to them."""
    chosen = settings.read(EdgeSettings, os.environ, SCOPE)
    openai = settings.read(OpenAISettings, os.environ, OPENAI_SCOPE)
    widget = settings.read(WidgetSettings, os.environ, WIDGET_SCOPE)
    process = settings.read(ProcessSettings, os.environ)
    keys = Keys(keys_file(os.environ))
    door = Door(chosen, keys)
    listener = health.bind(chosen.host, chosen.port)
    url = f"http://{health.address(listener)}"
    bus_settings = settings.read(BusSettings, os.environ)
    sites = widgets.Sites(widget, keeps=bus_settings.record is Record.ALL)
    name = _name(chosen, bus_settings)
    async with attached(process, bus_settings, stop) as bus:
        capacity = Capacity(bus, listed(chosen.needs))
        sessions = Sessions(bus, name, KIND, chosen.max_sessions, f"{url}/metrics", capacity)

        def readiness() -> dict[str, bool]:
            return {"bus": bus.is_connected, "serving": not stop.is_set()}

        async with asyncio.TaskGroup() as group:
            helpers = [
                # It has to hear what workers answer to the first sign of life.
                group.create_task(capacity.run()),
                group.create_task(sessions.run()),
                group.create_task(keys.follow()),
                group.create_task(sites.follow()),
            ]
            further: list[BaseRoute] = []
            if openai.enabled:
                fleet = Fleet(bus)
                helpers.append(group.create_task(fleet.run()))
                api = api_of(sessions, door, fleet, chosen, openai)
                further += routes(api)
            if widget.is_on:
                further += widgets.routes(sites, sessions, chosen, door, widget)
            app = create_app(sessions, chosen, door, readiness, further)
            async with (
                health.serve(app, listener, **options(chosen)),
                systemd.told(readiness, stop, os.environ),
            ):
                log.info("edge.ready", url=url)
                await stop.wait()
                sessions.drain()
                try:
                    async with asyncio.timeout(process.drain_s):
                        await sessions.ended.wait()
                except TimeoutError:
                    log.warning("edge.drained_late", sessions=len(sessions))
                pulse.end_within(pulse.SERVER_CLOSING_S)
            for helper in helpers:
                helper.cancel()


def _name(chosen: EdgeSettings, bus: BusSettings) -> str:
    """Return the edge's name on the bus: as its user is permitted, or one that nobody has had."""
    if bus.nats_nkey_file and not chosen.name:
        raise ConfigError("VOICEBUS_EDGE_NAME is missing: the name that the key was made for")
    return chosen.name or new_token("e")


if __name__ == "__main__":
    sys.exit(run("edge", main))
