"""The default system prompt: the turn worker sends it, the LLM worker warms the cache with it."""

from __future__ import annotations

from typing import Final

INSTRUCTIONS: Final = (
    "You are a helpful voice assistant. Answer every question directly in one or two short "
    "sentences of plain spoken English. Never use lists, symbols or emoji."
)
"""Short, and the same in every session: a prompt cache holds it once for all of them."""
