"""Supervised training: the perception stage, then imitation of teacher episodes."""
