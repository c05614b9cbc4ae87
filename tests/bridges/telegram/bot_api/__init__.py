"""A Bot API server on loopback, for tests and benchmarks: strict, and unkind when asked to be.

It speaks the API over real HTTP, as api.telegram.org does: ``POST /bot<token>/<method>`` with forms
and files, long polls, webhooks and file downloads. Whoever calls it uses a stock client.

- :mod:`.shapes` says which fields a method takes. A call with another field, a missing one or one
  of the wrong form is answered with 400, and noted in ``BotApi.errors``.
- :mod:`.flood` counts as Telegram's FAQ says: 30 calls a second, one message a second in a chat, 20
  a minute in a group. Who exceeds them gets 429, noted in ``BotApi.violations``.
  So is who calls again before ``retry_after`` has passed, and could have known.
- :mod:`.faults` are what a test wants to go wrong: 429, 409, 403, 5xx, slow answers, lost
  ones and none. ``BotApi.gone`` refuses connections for a while.
- :mod:`.people` are those who talk with a bot.

Source: https://core.telegram.org/bots/api
"""
