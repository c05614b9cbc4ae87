"""Language model: a turn's messages in, the reply's words out."""
