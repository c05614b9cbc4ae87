"""Tests of voicebus; a package at every level, so that no folder here hides one of ours."""
