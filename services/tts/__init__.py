"""Text to speech: a turn's clauses in, its audio out."""
