"""/v1/realtime, and the secrets with which pages come there.

Source: https://platform.openai.com/docs/api-reference/realtime and the types of the Python SDK.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta, Struct
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge.access import presented_by
from edge.call import refusal as close_code
from edge.connection import Connection
from edge.openai import client_secrets
from edge.openai.client_secrets import ClientSecrets, Grant, unix_s
from edge.openai.endpoint import Api, Call
from edge.openai.errors import BadRequest, refusal
from edge.openai.realtime import dialect, told
from edge.openai.realtime.asking import Naming
from edge.openai.realtime.call import KIND, RealtimeCall, Spelling, as_error
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.session import JsonObject, Session
from edge.openai.sender import headers_of
from edge.visit import Visit
from subjects.tokens import new_token
from voicebus import zeros
from voicebus.errors import AccessDenied, LimitReached, ProtocolError, VoicebusError
from voicebus.keys import Key

SUBPROTOCOL: Final = "realtime"
"""What a page names besides its key as subprotocols: the answer names this one."""

Lasting = Annotated[int, Meta(ge=10, le=7_200)]
Origin = Annotated[str, Meta(max_length=256)]


class ExpiresAfter(Struct, frozen=True, kw_only=True):
    """How long a secret is good, counted from now."""

    anchor: str = "created_at"
    seconds: Lasting = 600


class SecretAsked(Struct, frozen=True, kw_only=True):
    """Body of POST /v1/realtime/client_secrets.

    Fields
        origin: Whose pages may use the secret: an extension; empty for any client.
    """

    expires_after: ExpiresAfter = ExpiresAfter()
    session: JsonObject = {}
    origin: Origin = ""


class OlderSecretAsked(Struct, frozen=True, kw_only=True):
    """Body of POST /v1/realtime/sessions: besides this, a session's fields as the beta had them.

    Fields
        origin: Whose pages may use the secret: an extension; empty for any client.
    """

    origin: Origin = ""


def routes(api: Api) -> list[BaseRoute]:
    """Return the socket's route."""
    zeros.clients(KIND)

    async def connect(socket: WebSocket) -> None:
        await _connect(socket, api)

    return [WebSocketRoute("/realtime", connect)]


async def make_secret(call: Call) -> Response:
    """Make a secret with which a client without a key opens sessions."""
    asked = await call.json(SecretAsked)
    given = dialect.as_ga(asked.session)
    session = _checked(given)
    value, expires_at = call.api.secrets.make(
        call.visit.key, given, asked.origin, asked.expires_after.seconds
    )
    told = session.described(new_token("sess_"), expires_at)
    return JSONResponse({"value": value, "expires_at": expires_at, "session": told})


async def make_session(call: Call) -> Response:
    """Make a secret for a session, in the shape of the beta."""
    return await _older(call, "realtime")


async def make_transcription_session(call: Call) -> Response:
    """Make a secret for a session that only hears, in the shape of the beta."""
    return await _older(call, "transcription")


async def refuse_call(_: Call) -> Response:
    """Refuse WebRTC, which is not served: a WebSocket to /v1/realtime is."""
    raise ProtocolError(
        "WebRTC is not served here: connect to /v1/realtime with a WebSocket", "not_implemented"
    )


async def _older(call: Call, kind: str) -> Response:
    body: JsonObject = await call.json(dict)
    origin = _origin_of(body)
    given = {**dialect.as_ga(body), "type": kind}
    session = _checked(given)
    value, expires_at = call.api.secrets.make(call.visit.key, given, origin, ExpiresAfter().seconds)
    secret = {"value": value, "expires_at": expires_at}
    told = session.described(new_token("sess_"), expires_at)
    return JSONResponse({**dialect.flat(told), "client_secret": secret})


def _origin_of(body: JsonObject) -> str:
    """Take the origin out of a body: it is the secret's, not the session's."""
    try:
        return msgspec.convert({"origin": body.pop("origin", "")}, OlderSecretAsked).origin
    except msgspec.ValidationError as err:
        raise BadRequest(str(err).partition(" - at `$")[0], "origin") from err


def _checked(given: JsonObject) -> Session:
    try:
        return Session().changed(given)
    except BadEvent as err:
        raise BadRequest(str(err), err.param, err.reason) from err


async def _connect(socket: WebSocket, api: Api) -> None:
    """Let a client in, by its key or by a secret, and serve it."""
    request_id, known = new_token("req_"), None
    with structlog.contextvars.bound_contextvars(request=request_id):
        try:
            grant, key = _granted(socket, api.secrets)
            with (
                api.door.enter(socket, key) as visit,
                structlog.contextvars.bound_contextvars(**visit.named),
            ):
                known = visit
                visit.expect_room()
                await _talk(socket, api, visit, grant)
        except (AccessDenied, LimitReached) as err:
            refused = refusal(err).response()
            refused.headers.update(headers_of(request_id, known))
            await socket.send_denial_response(refused)


def _granted(socket: WebSocket, secrets: ClientSecrets) -> tuple[Grant | None, Key | None]:
    presented = presented_by(socket) or ""
    if not presented.startswith(client_secrets.PREFIX):
        return None, None
    return secrets.check(presented, socket.headers.get("origin"))


async def _talk(socket: WebSocket, api: Api, visit: Visit, grant: Grant | None) -> None:
    offered = socket.scope.get("subprotocols", ())
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else visit.subprotocol)
    connection = Connection(socket)
    connection.released.add_done_callback(lambda _: visit.disconnect())
    header, value = dialect.HEADER
    is_beta = value in socket.headers.get(header, "") or dialect.SUBPROTOCOL in offered
    try:
        wanted, naming = await _wanted(socket, api, grant)
        roles = ("stt",) if wanted.type == "transcription" else ()
        async with visit.session(), api.sessions.open(KIND, roles=roles) as session:
            place = session.place.session
            structlog.contextvars.bind_contextvars(session=place)
            expires_at = int(unix_s() + api.edge.max_session_s)
            machine = Realtime(wanted, f"sess_{place}", expires_at, _new_id, naming)
            spelling = _limited(dialect.as_beta if is_beta else _as_it_is, visit)
            await RealtimeCall(session, machine, api, visit, spelling).serve(connection)
    except WebSocketDisconnect:
        return
    except VoicebusError as err:
        await connection.close(close_code(err), str(err), as_error(err))


async def _wanted(socket: WebSocket, api: Api, grant: Grant | None) -> tuple[Session, Naming]:
    """Return how the session begins: as its secret says, else by the address's query.

    Raises:
        AccessDenied: ``model_forbidden``: its secret is for another model.
        BadRequest: There is no such model.
        NoWorker: Nobody serves any.
    """
    given: JsonObject = {} if grant is None else dict(grant.session)
    if socket.query_params.get("intent") == "transcription":
        given.setdefault("type", "transcription")
    granted = str(given.get("model") or "")
    model = socket.query_params.get("model", "") or granted
    if granted and model != granted:
        raise AccessDenied("this client secret is for another model", "model_forbidden")
    voices = api.settings.voice_aliases()
    if given.get("type") == "transcription":
        heard: dict[str, Any] = {"input": {"transcription": {}}}
        return _checked({"audio": heard}).changed(given), Naming(voices=voices)
    meant = await api.names.model(model, "llm") if model else ""
    naming = Naming(model=meant, voices=voices, known_voices=await api.names.voices())
    return _checked({**given, **({"model": model} if model else {})}), naming


def _new_id(word: str) -> str:
    return new_token(f"{word}_")


def _limited(spelling: Spelling, visit: Visit) -> Spelling:
    """Tell behind each response's beginning what the caller may have yet, where that is limited."""

    def spelt(event: JsonObject) -> list[JsonObject]:
        told_now = spelling(event)
        if event["type"] != "response.created" or not (left := visit.left()):
            return told_now
        return [*told_now, {**told.rate_limits(left), "event_id": _new_id("event")}]

    return spelt


def _as_it_is(event: JsonObject) -> list[JsonObject]:
    return [event]
