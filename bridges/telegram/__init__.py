"""Telegram: people write and speak to bots, which answer in text and in voice.

::

    Telegram --updates--> poller or webhook --UpdateAccepted--> UPDATES
    UPDATES --> the bot's owner: one process of all --> a lane for each chat
    lane: one turn at a time --session on the bus--> text, drafts, voice --> Telegram
"""
