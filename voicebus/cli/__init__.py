"""The ``voicebus`` command, one module per subcommand."""
