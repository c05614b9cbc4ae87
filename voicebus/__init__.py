"""The core: bus client, worker harness, audio, settings, metrics, errors and command line."""
