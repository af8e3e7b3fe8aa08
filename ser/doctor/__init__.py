"""Checks before a long sweep, one per file, each a generator of findings."""
