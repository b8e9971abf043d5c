"""Our search against other packages' tuners: ``python -m benchmarks.suites.strategies [FILE|FOLDER]...``.

Everybody plays the same recorded spaces with the same count of new legal schedules and the same seeds; a table, a part
of the results file and a page come out. The rivals are on this floor (``rivals_search``). Who is held against them
lives on the floor above, which nothing here imports: this starts it, as ``bench_startup`` starts what it times.
"""

from __future__ import annotations

import importlib.util
import os
import sys

MODULE = "evolve.cli.strategies"


def main() -> None:
    """Become the command."""
    if importlib.util.find_spec("evolve") is None:
        sys.exit("evolve is not installed: without it there is no strategy to hold against the others")
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *sys.argv[1:]])  # noqa: S606 - our own module, no shell


if __name__ == "__main__":
    main()
