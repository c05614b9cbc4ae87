"""Fast takeover: the claims of a worker that died are handed on at once, not after a timeout."""
