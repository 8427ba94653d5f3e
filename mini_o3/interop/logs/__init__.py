"""Logs of other programs, read as episodes."""
