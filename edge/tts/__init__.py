"""Text in, its audio out while it is spoken: for telephone systems and others with a text."""
