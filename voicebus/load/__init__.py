"""Load: callers who talk to a running system, and what became of them."""
