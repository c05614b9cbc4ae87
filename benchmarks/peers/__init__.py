"""Other people's systems on the same engines, each in an environment of its own."""
