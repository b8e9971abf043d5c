"""Every legal schedule, one after the other: for spaces small enough to be measured from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.search.protocol import Novel, Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from kernels.language.space import Constraint, Parameter, Schedule, Space, Value


class Exhaustive(Novel):
    """The default, then all others: values in random order, the last gene changing fastest."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        super().__init__(space, rng)
        self._left = every(space, rng)

    def following(self) -> Proposal | None:
        """The next schedule that nobody has tried."""
        if (known := self.beginning()) is not None:
            return known
        return next((Proposal(one, "enumerate") for one in self._left if one not in self.seen), None)


def every(space: Space, rng: np.random.Generator | None = None) -> Iterator[Schedule]:
    """All legal schedules, each once.

    Args:
        space: that they are of.
        rng: shuffles the values of each parameter; without it they come in their own order.
    """
    switches = {name for p in space.parameters for name in p.when}
    ordered = sorted(space.parameters, key=lambda p: p.name not in switches)
    values = {p.name: list(p.values) for p in ordered}
    if rng is not None:
        values = {name: [own[int(k)] for k in rng.permutation(len(own))] for name, own in values.items()}
    return (space.canonical(point) for point in _points(ordered, values, _due(ordered, space.constraints), {}))


def _points(
    ordered: Sequence[Parameter],
    values: dict[str, list[Value]],
    due: Sequence[Sequence[Constraint]],
    fixed: dict[str, Value],
) -> Iterator[dict[str, Value]]:
    """Settings of all parameters behind those that are fixed; a branch ends where a constraint is broken."""
    depth = len(fixed)
    if depth == len(ordered):
        yield fixed
        return
    parameter = ordered[depth]
    for value in values[parameter.name] if parameter.is_active(fixed) else [parameter.default]:
        further = {**fixed, parameter.name: value}
        if all(constraint.holds(further) for constraint in due[depth]):
            yield from _points(ordered, values, due, further)


def _due(ordered: Sequence[Parameter], constraints: Sequence[Constraint]) -> list[list[Constraint]]:
    """For each parameter, the constraints that can be asked once it is fixed and not before."""
    place = {parameter.name: k for k, parameter in enumerate(ordered)}
    last = [max((place[name] for name in constraint.names), default=0) for constraint in constraints]
    return [[c for c, at in zip(constraints, last, strict=True) if at == k] for k in range(len(ordered))]
