"""Callers' audio: what it is, how it becomes samples, and how loud it is."""
