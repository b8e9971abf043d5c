"""Suites whose subject lives on the floor above, which nothing here imports: they start it as a program."""

from __future__ import annotations

import importlib.util
import os
import sys


def become(module: str) -> None:
    """Go on as a module of evolve's, with the same arguments."""
    if importlib.util.find_spec("evolve") is None:
        sys.exit("evolve is not installed: without it there is no search to measure")
    os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])  # noqa: S606 - our own module, no shell
