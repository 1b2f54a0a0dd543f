"""Lethe: a learning record store that keeps every learning event for ever and can still forget a person."""

__version__ = "0.1.0"
