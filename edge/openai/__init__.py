"""OpenAI's API on the fleet: the same process and the same keys as /ws.

How a route is added:

1. A module of its own with a handler, ``async def create(call: Call) -> Response``.
   The caller is let in before it is called; its body is read by ``await call.json(Kind)`` for a
   struct of the fields that are understood (others are passed over), or ``await call.body(bytes)``
   for an upload.
2. A row in ``edge.openai.app._ROUTES``; a JSON body also in ``edge.openai.description.BODIES``.
3. Work for the fleet: ``errand = await call.errand("llm")`` opens a session that ends with the
   request; ``await errand.ask(request)`` publishes a job, and ``async for event in
   errand.events()`` yields what the workers say. When the client leaves, the handler is cancelled,
   the session is closed, and the workers stop.
4. An answer in pieces: ``Streamed(pieces, media_type)``, or ``event_stream(events, keepalive_s)``
   with events made by ``event(data)``. ``Streamed(await begun(pieces), …)`` and ``await
   begun_events(events, keepalive_s)`` make of what fails before the first piece an answer with a
   status.
5. Errors: raise what :mod:`voicebus.errors` has, or ``BadRequest(message, param, code)``. Nothing
   else is to be done: :class:`edge.openai.endpoint.Endpoint` answers in OpenAI's shape, counts, and
   adds ``x-request-id`` and the rate limits.

A WebSocket route stands beside the others in ``edge.openai.app.mounted``, and enters the door by
itself.
"""
