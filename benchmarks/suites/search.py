"""Real runs on this machine, and what they say of the search: ``python -m benchmarks.suites.search``.

How many schedules it evaluates a second and where the time goes, how much sooner it is near the best than random draws,
and what a start at a neighbour's champion is worth. The search is on the floor above.
"""

from __future__ import annotations

from benchmarks.suites.upstairs import become

if __name__ == "__main__":
    become("evolve.cli.live")
