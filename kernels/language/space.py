"""The schedule space: typed parameters, constraints with a reason, sampling, neighbours, exact size.

A *schedule* is a frozen mapping from parameter name to value. A *space* says which schedules are legal. Parameters may
be conditional (``when``): one that does not apply is *inactive* and pinned to its default, so that two schedules that
mean the same thing are the same schedule.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

Value = int | str | bool
"""What a gene may say. A permutation is a string of its items, as in ``"ikj"``."""

_MOST_TRIES = 100_000
_MOST_COUNTED = 2_000_000


class Schedule(Mapping[str, Value]):
    """Frozen, ordered, hashable parameter values; ``schedule.mr`` and ``schedule["mr"]`` are the same."""

    __slots__ = ("_hash", "_values")
    _values: dict[str, Value]
    _hash: int

    def __init__(self, values: Mapping[str, Value]) -> None:
        object.__setattr__(self, "_values", dict(values))
        object.__setattr__(self, "_hash", hash(frozenset(self._values.items())))

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"the schedule has no parameter {name!r}; it has {', '.join(self._values)}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a schedule is frozen; make another with replace({name}={value!r})")

    def __reduce__(self) -> tuple[type[Schedule], tuple[dict[str, Value]]]:
        return Schedule, (self._values,)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Schedule({self})"

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.items())

    def replace(self, **values: Value) -> Schedule:
        """The same schedule with some values changed."""
        return Schedule({**self._values, **values})


@dataclass(frozen=True)
class Parameter:
    """One gene: its name, its values in order, and what it does to the machine.

    ``kind`` is choice (unordered), integer or power_of_two (ordered), permutation or flag. ``when`` maps names of
    other parameters to the values for which this one has a meaning.
    """

    name: str
    kind: str
    values: tuple[Value, ...]
    default: Value
    doc: str
    when: Mapping[str, tuple[Value, ...]]

    @property
    def is_ordered(self) -> bool:
        """True where a step up or down the values is a small change."""
        return self.kind in ("integer", "power_of_two")

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """True where this parameter means something, given the others."""
        return all(values[name] in allowed for name, allowed in self.when.items())

    def own(self, value: Value) -> Value:
        """The parameter's own value that equals ``value``: ``True`` for 1, ``8`` for ``np.int64(8)``."""
        return self.values[self.values.index(value)] if value in self.values else value


def _parameter(
    kind: str, name: str, values: Sequence[Value], *, default: Value | None, doc: str, when: Any
) -> Parameter:
    if len(set(values)) != len(values) or not values:
        raise ValueError(f"parameter {name!r} needs distinct values, at least one; got {values!r}")
    chosen = values[0] if default is None else default
    if chosen not in values:
        raise ValueError(f"parameter {name!r} has the default {chosen!r}, which is not among its values {values!r}")
    return Parameter(name, kind, tuple(values), chosen, doc, dict(when or {}))


def choice(
    name: str, values: Sequence[Value], doc: str, *, default: Value | None = None, when: Any = None
) -> Parameter:
    """One of unordered values, such as an algorithm variant."""
    return _parameter("choice", name, values, default=default, doc=doc, when=when)


def integer(name: str, values: Sequence[int], doc: str, *, default: Value | None = None, when: Any = None) -> Parameter:
    """An ordered number: mutation steps to a value nearby. ``values`` may be a range or any rising sequence."""
    return _parameter("integer", name, sorted(values), default=default, doc=doc, when=when)


def power_of_two(
    name: str, low: int, high: int, doc: str, *, default: Value | None = None, when: Any = None
) -> Parameter:
    """A power of two from ``low`` to ``high``, both included."""
    if not 0 < low <= high or low & (low - 1) or high & (high - 1):
        raise ValueError(f"parameter {name!r}: {low} and {high} must be powers of two, the smaller first")
    values = [1 << e for e in range(low.bit_length() - 1, high.bit_length())]
    return _parameter("power_of_two", name, values, default=default, doc=doc, when=when)


def permutation(name: str, items: str, doc: str, *, default: Value | None = None, when: Any = None) -> Parameter:
    """An order of the characters of ``items``, such as the loop order ``"ikj"``."""
    values = ["".join(order) for order in itertools.permutations(items)]
    return _parameter("permutation", name, values, default=default or items, doc=doc, when=when)


def flag(name: str, doc: str, *, default: Value | None = None, when: Any = None) -> Parameter:
    """True or false."""
    return _parameter("flag", name, (False, True), default=default, doc=doc, when=when)


@dataclass(frozen=True)
class Constraint:
    """A predicate over some parameters, named by the predicate's own arguments, and the reason for it."""

    predicate: Callable[..., bool]
    reason: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters that the predicate reads."""
        return tuple(inspect.signature(self.predicate).parameters)

    def holds(self, values: Mapping[str, Value]) -> bool:
        """True where ``values`` satisfies the predicate."""
        return bool(self.predicate(*(values[name] for name in self.names)))


class Space:
    """All legal schedules of a kernel.

    Args:
        parameters: the genes, in the order in which schedules list them.
        constraints: pairs of a predicate, whose argument names are parameter names, and the reason it gives.

    Raises:
        ValueError: a name is used twice or is a method of ``Schedule``, a condition or constraint names an unknown
            parameter, a condition names a conditional one or no value of it, or the default schedule is illegal.
    """

    def __init__(
        self, parameters: Sequence[Parameter], constraints: Sequence[tuple[Callable[..., bool], str]] = ()
    ) -> None:
        self.parameters = tuple(parameters)
        self.by_name = {parameter.name: parameter for parameter in self.parameters}
        self.constraints = tuple(Constraint(predicate, reason) for predicate, reason in constraints)
        self._check_names()
        self._pinned = Schedule({p.name: p.default for p in self.parameters})
        self.default = self._pinned
        if reason := self.is_legal(self.default):
            raise ValueError(f"the default schedule is illegal: {reason}")

    def _check_names(self) -> None:
        if len(self.by_name) != len(self.parameters):
            raise ValueError("two parameters of the space share a name")
        for parameter in self.parameters:
            if hasattr(Schedule, parameter.name):
                raise ValueError(f"a parameter cannot be called {parameter.name!r}: schedules have such a method")
            self._check_condition(parameter)
        for constraint in self.constraints:
            for name in set(constraint.names) - set(self.by_name):
                raise ValueError(f"the constraint {constraint.reason!r} reads {name!r}, which is no parameter")

    def _check_condition(self, parameter: Parameter) -> None:
        for name, allowed in parameter.when.items():
            if name not in self.by_name or self.by_name[name].when:
                raise ValueError(f"{parameter.name!r} depends on {name!r}, which must be an unconditional parameter")
            if isinstance(allowed, str) or not set(allowed) <= set(self.by_name[name].values):
                raise ValueError(f"{parameter.name!r} needs {name} in {allowed!r}, which must be a tuple of its values")

    @property
    def beginnings(self) -> tuple[Schedule, ...]:
        """What a search looks at first: the default, and beside a default from elsewhere the space's own."""
        return tuple(dict.fromkeys((self.default, self._pinned)))

    def starting_at(self, schedule: Mapping[str, Value]) -> Space:
        """The same space with another default, which is where a search begins; draws from it are the same.

        Raises:
            ValueError: the schedule is illegal; the message says why.
        """
        if reason := self.is_legal(schedule):
            raise ValueError(f"illegal schedule: {reason}")
        space = copy.copy(self)
        space.default = self.canonical(schedule)
        return space

    def restricted(self, values: Mapping[str, Sequence[Value]]) -> Space:
        """The same space with fewer values for some parameters; where a default is gone, the first one given is it.

        Raises:
            ValueError: there is no such parameter or value, or the default schedule is illegal.
        """
        for name, some in values.items():
            if not some or name not in self.by_name or not set(some) <= set(self.by_name[name].values):
                raise ValueError(f"no space can be restricted to {name} in {some!r}: they must be values that it has")
        kept = {p.name: tuple(values.get(p.name, p.values)) for p in self.parameters}
        parameters = [_restricted(p, kept) for p in self.parameters]
        return Space(parameters, [(c.predicate, c.reason) for c in self.constraints])

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order."""
        return tuple(self.by_name)

    def schedule(self, **values: Value) -> Schedule:
        """The default schedule with some values changed, inactive ones pinned.

        Raises:
            ValueError: the result is illegal; the message says why.
        """
        made = self.canonical(Schedule({**self.default, **values}))
        if reason := self.is_legal(made):
            raise ValueError(f"illegal schedule: {reason}")
        return made

    def canonical(self, schedule: Mapping[str, Value]) -> Schedule:
        """The schedule with every inactive parameter at its default, and values of the parameters' own types."""
        pairs = ((p, schedule[p.name] if p.is_active(schedule) else p.default) for p in self.parameters)
        return Schedule({p.name: p.own(value) for p, value in pairs})

    def is_legal(self, schedule: Mapping[str, Value]) -> str | None:
        """None for a legal schedule, else the reason why it is not one."""
        if unknown := set(schedule) ^ set(self.by_name):
            return f"unknown or missing parameters: {', '.join(sorted(unknown))}"
        for p in self.parameters:
            if schedule[p.name] not in p.values:
                return f"{p.name}={schedule[p.name]!r} is not one of {', '.join(map(str, p.values))}"
            if schedule[p.name] != p.default and not p.is_active(schedule):
                return f"{p.name} has no meaning here: it needs {dict(p.when)}"
        return next((c.reason for c in self.constraints if not c.holds(schedule)), None)

    def sample(self, rng: np.random.Generator) -> Schedule:
        """An independent random schedule; every legal one is equally likely where their number is known.

        The parameters on which others depend are drawn first, weighted by the legal schedules that they leave; the
        others follow, each uniform over its values, illegal draws thrown back.

        Raises:
            ValueError: no legal schedule among 100,000 draws.
        """
        fixed = self._settings[int(rng.choice(len(self._settings), p=self._weights))]
        free = [p for p in self.parameters if p.name not in fixed and p.is_active(fixed)]
        for _ in range(_MOST_TRIES):
            genes = {p.name: p.values[int(rng.integers(len(p.values)))] for p in free}
            drawn = Schedule({**self._pinned, **fixed, **genes})
            if self.is_legal(drawn) is None:
                return drawn
        raise ValueError(f"no legal schedule in {_MOST_TRIES} random draws: the constraints leave next to nothing")

    def neighbours(self, schedule: Schedule) -> list[Schedule]:
        """Legal schedules one small step away: the next value up and down, another choice, two items swapped."""
        steps = (
            self.canonical({**schedule, p.name: value})
            for p in self.parameters
            if p.is_active(schedule)
            for value in near_values(p, schedule[p.name])
        )
        return [s for s in dict.fromkeys(steps) if self.is_legal(s) is None]

    def encode(self, schedule: Mapping[str, Value]) -> np.ndarray:
        """Numeric features for models, each in [0, 1]: ranks of ordered parameters, one column a choice's value.

        Returns:
            ``(n_features,)`` float64 array.
        """
        columns: list[float] = []
        for p in self.parameters:
            rank = p.values.index(schedule[p.name])
            if p.is_ordered or p.kind == "flag":
                columns.append(rank / max(1, len(p.values) - 1))
            else:
                columns.extend(float(rank == other) for other in range(len(p.values)))
        return np.array(columns)

    @cached_property
    def size(self) -> int | None:
        """The exact number of legal schedules, or None where counting would take more than seconds.

        Parameters that no constraint ties together multiply; the others are enumerated.
        """
        return None if self._counts is None else sum(self._counts)

    @cached_property
    def _settings(self) -> list[dict[str, Value]]:
        """Every setting of the parameters on which others depend."""
        switches = list(dict.fromkeys(name for p in self.parameters for name in p.when))
        values = (self.by_name[name].values for name in switches)
        return [dict(zip(switches, setting, strict=True)) for setting in itertools.product(*values)]

    @cached_property
    def _counts(self) -> list[int] | None:
        """Legal schedules with each setting."""
        groups = self._groups()
        tied = [group for group in groups if self._constraints_within(group)]
        points = (math.prod(map(len, self._domains(group, fixed))) for fixed in self._settings for group in tied)
        if sum(points) > _MOST_COUNTED:
            return None
        return [math.prod(self._count(group, fixed) for group in groups) for fixed in self._settings]

    @cached_property
    def _weights(self) -> list[float]:
        """The share of all legal schedules that each setting leaves; equal shares if unknown."""
        counts = self._counts or [1] * len(self._settings)
        return [count / sum(counts) for count in counts]

    def _groups(self) -> list[set[str]]:
        groups = [{name} for name in self.names]
        for constraint in self.constraints:
            tied = [g for g in groups if g & set(constraint.names)]
            groups = [g for g in groups if g not in tied] + [set().union(*tied)]
        return groups

    def _constraints_within(self, group: set[str]) -> list[Constraint]:
        return [c for c in self.constraints if c.names and set(c.names) <= group]

    def _domains(self, group: set[str], fixed: Mapping[str, Value]) -> list[tuple[Value, ...]]:
        return [self._domain(p, fixed) for p in self.parameters if p.name in group]

    def _domain(self, parameter: Parameter, fixed: Mapping[str, Value]) -> tuple[Value, ...]:
        if parameter.name in fixed:
            return (fixed[parameter.name],)
        return parameter.values if parameter.is_active(fixed) else (parameter.default,)

    def _count(self, group: set[str], fixed: Mapping[str, Value]) -> int:
        domains = self._domains(group, fixed)
        constraints = self._constraints_within(group)
        if not constraints:
            return math.prod(map(len, domains))
        names = [name for name in self.names if name in group]
        points = (dict(zip(names, point, strict=True)) for point in itertools.product(*domains))
        return sum(all(c.holds(point) for c in constraints) for point in points)


def _restricted(parameter: Parameter, kept: Mapping[str, tuple[Value, ...]]) -> Parameter:
    own = kept[parameter.name]
    values = tuple(value for value in parameter.values if value in own)
    when = {name: tuple(value for value in allowed if value in kept[name]) for name, allowed in parameter.when.items()}
    default = parameter.default if parameter.default in own else own[0]
    return replace(parameter, values=values, default=default, when=when)


def near_values(parameter: Parameter, value: Value) -> list[Value]:
    """The values one small step from ``value``: adjacent if ordered, one swap in a permutation, else any other.

    Of a permutation that a smaller space restricts, all others are near where no swap is among them.
    """
    if parameter.kind == "permutation":
        swaps: list[Value] = [swapped(str(value), i, j) for i, j in itertools.combinations(range(len(str(value))), 2)]
        if near := [order for order in swaps if order in parameter.values]:
            return near
    if parameter.is_ordered:
        at = parameter.values.index(value)
        return [parameter.values[k] for k in (at - 1, at + 1) if 0 <= k < len(parameter.values)]
    return [other for other in parameter.values if other != value]


def swapped(order: str, i: int, j: int) -> str:
    """``order`` with the items at ``i`` and ``j`` exchanged."""
    items = list(order)
    items[i], items[j] = items[j], items[i]
    return "".join(items)
