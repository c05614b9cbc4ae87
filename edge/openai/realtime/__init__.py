"""OpenAI's Realtime API: a protocol core without I/O, and the socket around it."""
