"""What the search takes at its largest: ``python -m benchmarks.suites.scale``.

An ask that screens 10^5 children, a replayed run of 10^5 evaluations in a space of 10^15 schedules, and what the store
takes for an evaluation; a table and a part of the results file come out. The search is on the floor above.
"""

from __future__ import annotations

from benchmarks.suites.upstairs import become

if __name__ == "__main__":
    become("evolve.cli.scale")
