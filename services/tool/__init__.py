"""Functions that the language model asks for, called for it."""
