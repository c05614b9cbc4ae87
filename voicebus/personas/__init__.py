"""Personas: what authors write about those who answer, read and checked. See ADR 48."""
