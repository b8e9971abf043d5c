"""Our search against other packages' tuners: ``python -m benchmarks.suites.strategies [FILE|FOLDER]...``.

Everybody plays the same recorded spaces with the same count of new legal schedules and the same seeds; a table, a part
of the results file and a page come out. With ``--ablation`` our search plays against itself without each of its parts.
The rivals are on this floor (``rivals_search``), who is held against them on the one above.
"""

from __future__ import annotations

from benchmarks.suites.upstairs import become

if __name__ == "__main__":
    become("evolve.cli.strategies")
