"""What a champion consists of, for whoever is to read it: the genes that are not at their default, and their worth.

And whether laps go round in circles: a gene has *returned* whose value is one that an earlier lap had taken away. A
loop whose changes are returns changes much and gets nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evolve.tracker.curve import paid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evolve.store import Individual
    from kernels import Kernel
    from kernels.language.space import Value

    Values = Mapping[str, Value]


def remaining(kernel: Kernel, schedule: Values, individuals: Sequence[Individual]) -> list[dict[str, Any]]:
    """The genes of a schedule that have a meaning and are not at their default, the most worth first.

    A gene's worth is what the best of the run lost without it: ln of the best time measured with any other value over
    the best time with this one; a search estimate, and None where no other value was measured.

    Args:
        kernel: whose schedule it is.
        schedule: a champion's.
        individuals: of the run that found it.
    """
    measured = [one for one in paid(individuals) if one.fitness is not None]
    genes = [
        {"gene": p.name, "value": schedule[p.name], "default": p.default, "worth": _worth(p.name, schedule, measured)}
        for p in kernel.space.parameters
        if p.is_active(schedule) and schedule[p.name] != p.default
    ]
    return sorted(genes, key=lambda gene: -(gene["worth"] or 0.0))


def _worth(name: str, schedule: Values, measured: Sequence[Individual]) -> float | None:
    same, others = list[float](), list[float]()
    for one in measured:
        has_it = one.evaluation.schedule.get(name) == schedule[name]
        (same if has_it else others).append(one.fitness or 0.0)
    return max(same) - max(others) if same and others else None


def returns(schedules: Sequence[Values | None]) -> dict[str, Any]:
    """How many genes changed from lap to lap, and which of them only went back to what they had been.

    Args:
        schedules: of one part, lap by lap; None for the plain loop, which has no genes.
    """
    known = [schedule for schedule in schedules if schedule is not None]
    changes, returned = 0, list[str]()
    for name in sorted({name for schedule in known for name in schedule}):
        values = [schedule.get(name) for schedule in known]
        changed = [k for k in range(1, len(values)) if values[k] != values[k - 1]]
        changes += len(changed)
        returned += [name for k in changed if values[k] in values[: k - 1]]
    return {"changes": changes, "returned": returned}
