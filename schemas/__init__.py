"""The wire: one file per domain of frozen messages, and nothing else."""
