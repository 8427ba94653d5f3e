"""Plumbing that knows nothing about search: errors, run directories, seeds, progress."""
