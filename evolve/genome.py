"""The genome: what is inherited. One value index a parameter, always canonical, so that equal genomes mean the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernels.language.space import Schedule, Space

Genome = tuple[int, ...]
"""``(n_parameters,)`` indices into the parameters' values, in the order of the space."""


def genome_of(space: Space, schedule: Schedule) -> Genome:
    """The genome that says ``schedule``.

    Raises:
        ValueError: a value is not one of its parameter's.
    """
    return tuple(p.values.index(schedule[p.name]) for p in space.parameters)


def schedule_of(space: Space, genome: Genome) -> Schedule:
    """What ``genome`` says, with inactive parameters at their defaults."""
    return space.canonical({p.name: p.values[k] for p, k in zip(space.parameters, genome, strict=True)})


def active_genes(space: Space, genome: Genome) -> tuple[int, ...]:
    """Positions of the genes that have a meaning here and more than one value."""
    schedule = schedule_of(space, genome)
    return tuple(k for k, p in enumerate(space.parameters) if len(p.values) > 1 and p.is_active(schedule))
