"""Rivals of the search: other packages' tuners on a recorded space, held to the same count of new legal schedules.

One package is one file, whose ``search(objective, seed, setting)`` drives it until the objective says that its budget
is spent. A file is imported when its rival runs, so none of the packages need be there; the extra ``rivals-search``
installs them all. ``RIVALS`` says who there is, ``installed`` who can play here.
"""

from __future__ import annotations

from benchmarks.suites.rivals_search.rival import Objective, Recorded, Rival, Spent

_KERNEL_TUNER = ("genetic_algorithm", "pso", "adaptive_tabu_greywolf", "hybrid_vndx", "greedy_ils")

RIVALS = {
    rival.name: rival
    for rival in (
        *(Rival(f"kernel_tuner:{name}", "kernel-tuner", "kernel_tuner", name) for name in _KERNEL_TUNER),
        Rival("optuna:tpe", "optuna", "optuna"),
        Rival("opentuner", "opentuner", "opentuner"),
        Rival("nevergrad", "nevergrad", "nevergrad", "PortfolioDiscreteOnePlusOne"),
        Rival("pyatf", "pyatf", "pyatf", "RoundRobin"),
    )
}
"""By name. Of each package what did best in earlier comparisons, and what its users meet first."""


def installed() -> list[Rival]:
    """Those whose packages are here."""
    return [rival for rival in RIVALS.values() if not rival.missing()]


__all__ = ["RIVALS", "Objective", "Recorded", "Rival", "Spent", "installed"]
