"""What ``evolve loop NAME`` starts: a loop a file, each with its ``command``; ``starting`` has what they share."""

from __future__ import annotations

COMMANDS = ("kernels", "batching", "replicators", "engine", "rollback", "policy", "search", "model", "tricks", "growth")
"""Modules of this package that the help of ``evolve loop`` lists, in its order."""
