"""Variation: pure functions from genomes and a generator to a genome that is legal and canonical.

Parents must be legal and canonical. A child that breaks a constraint is repaired, so every operator is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.genome import Genome, active_genes, genome_of, schedule_of
from kernels.language.space import near_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from kernels.language.space import Constraint, Parameter, Space

_EXPECTED_CHANGES = 1.5
_RESET_SHARE = 0.1  # leaves a local optimum that small steps do not
_STEP_SUCCESS = 0.6  # geometric: 60 % of steps go to the next value, 24 % to the one behind it
_REPAIR_TRIES = 10


def mutate(space: Space, genome: Genome, rng: np.random.Generator) -> Genome:
    """``genome`` with about 1.5 of its active genes changed, at least one, each in the way of its kind.

    A constraint may undo the change: the result can equal ``genome``.
    """
    active = active_genes(space, genome)
    if not active:
        return genome
    child = list(genome)
    for k in _chosen(active, rng):
        child[k] = changed(space.parameters[k], child[k], rng)
    return repair(space, tuple(child), genome, rng)


def uniform_crossover(space: Space, mother: Genome, father: Genome, rng: np.random.Generator) -> Genome:
    """Every gene from either parent by a coin: ``aaaaa, bbbbb -> abbab``."""
    pairs = zip(_filled(space, mother, father), _filled(space, father, mother), rng.random(len(mother)), strict=True)
    return repair(space, tuple(a if coin < 0.5 else b for a, b, coin in pairs), mother, rng)


def two_point_crossover(space: Space, mother: Genome, father: Genome, rng: np.random.Generator) -> Genome:
    """A stretch of the father's genes: ``aaaaa, bbbbb -> abbba``: what stands together stays together."""
    a, b = _filled(space, mother, father), _filled(space, father, mother)
    start, stop = sorted(rng.integers(0, len(a) + 1, size=2))
    return repair(space, a[:start] + b[start:stop] + a[stop:], mother, rng)


def repair(space: Space, genome: Genome, parent: Genome, rng: np.random.Generator) -> Genome:
    """A legal canonical genome near ``genome``: itself if it is legal.

    Else genes that the broken constraint names are drawn again, near their value, in at most ten tries; where that
    does not help they take the values of ``parent``, which must be legal.
    """
    for _ in range(_REPAIR_TRIES):
        genome = canonical(space, genome)
        broken = _broken(space, genome)
        if broken is None:
            return genome
        genome = _redrawn(space, genome, broken, rng)
    return _restored(space, genome, parent)


def canonical(space: Space, genome: Genome) -> Genome:
    """``genome`` with inactive genes at their defaults."""
    return genome_of(space, schedule_of(space, genome))


def changed(parameter: Parameter, index: int, rng: np.random.Generator) -> int:
    """Another value of one gene: a step if ordered, a swap in a permutation, else (and now and then) any other.

    A gene of a single value keeps it.
    """
    if len(parameter.values) == 1:
        return index
    if rng.random() >= _RESET_SHARE:
        if parameter.is_ordered:
            return _stepped(len(parameter.values), index, rng)
        if parameter.kind == "permutation":
            return _near(parameter, index, rng)
    return (index + 1 + int(rng.integers(len(parameter.values) - 1))) % len(parameter.values)


def _chosen(active: Sequence[int], rng: np.random.Generator) -> list[int]:
    coins = rng.random(len(active)) * len(active)
    drawn = [k for k, coin in zip(active, coins, strict=True) if coin < _EXPECTED_CHANGES]
    return drawn or [active[int(rng.integers(len(active)))]]


def _stepped(count: int, index: int, rng: np.random.Generator) -> int:
    distance = int(rng.geometric(_STEP_SUCCESS)) * (1 if rng.random() < 0.5 else -1)
    target = min(max(index + distance, 0), count - 1)
    return target if target != index else min(max(index - distance, 0), count - 1)


def _near(parameter: Parameter, index: int, rng: np.random.Generator) -> int:
    near = near_values(parameter, parameter.values[index])
    return parameter.values.index(near[int(rng.integers(len(near)))])


def _filled(space: Space, genome: Genome, other: Genome) -> Genome:
    """``genome`` with ``other``'s values where it has nothing to say, so that mixing does not dilute to defaults."""
    schedule = schedule_of(space, genome)
    genes = zip(space.parameters, genome, other, strict=True)
    return tuple(own if p.is_active(schedule) else theirs for p, own, theirs in genes)


def _broken(space: Space, genome: Genome) -> Constraint | None:
    schedule = schedule_of(space, genome)
    return next((c for c in space.constraints if not c.holds(schedule)), None)


def _redrawn(space: Space, genome: Genome, broken: Constraint, rng: np.random.Generator) -> Genome:
    """One gene of the broken constraint drawn again: near its value where that mends the constraint, else anywhere."""
    named = [k for k in active_genes(space, genome) if space.parameters[k].name in broken.names]
    k = named[int(rng.integers(len(named)))]
    others = [i for i in range(len(space.parameters[k].values)) if i != genome[k]]
    mending = [i for i in others if broken.holds(schedule_of(space, (*genome[:k], i, *genome[k + 1 :])))]
    if not mending:
        return (*genome[:k], others[int(rng.integers(len(others)))], *genome[k + 1 :])
    mending.sort(key=lambda i: abs(i - genome[k]))
    drawn = min(int(rng.geometric(_STEP_SUCCESS)), len(mending)) - 1
    return (*genome[:k], mending[drawn], *genome[k + 1 :])


def _restored(space: Space, genome: Genome, parent: Genome) -> Genome:
    """``genome`` with the parent's values in the broken constraints' genes; the parent where that is not enough."""
    for _ in genome:
        genome = canonical(space, genome)
        broken = _broken(space, genome)
        if broken is None:
            return genome
        genes = zip(space.parameters, genome, parent, strict=True)
        genome = tuple(old if p.name in broken.names else new for p, new, old in genes)
    return parent
