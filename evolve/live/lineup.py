"""Which runs stand behind the figures. Each has a name of its own, so that what was made once is only read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import kernels
from benchmarks.machine import fingerprint
from evolve.budget import Budget
from evolve.run import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEEDS = {"throughput": 3, "speed": 5, "warm": 3}
BUDGETS = {"throughput": "10m", "speed": "5m", "warm": "3m"}
RANDOM = "random"
"""The strategy that the search is held against."""
PATIENCE = 3
"""Times the search's budget that it gets: a side that never arrives says only that it is slower."""
COLD = "cold"


@dataclass(frozen=True)
class LiveRun:
    """A run that anyone can repeat.

    Attributes:
        prefix: of its name.
        kernel: the kernel's name.
        size: as a user writes it.
        dtype: as in ``"float64"``.
        budget: of the search, as a user writes it.
        seed: of the search and of the inputs.
        strategy: as ``search.make`` takes it.
        isa: of the lesser machine that this one stands in for; "" for this machine as it is.
        source: the run at whose champion it begins; None for the kernel's default.
    """

    prefix: str
    kernel: str
    size: str
    dtype: str
    budget: str
    seed: int = 1
    strategy: str = "genetic"
    isa: str = ""
    source: LiveRun | None = None

    @property
    def problem(self) -> str:
        """What it evolves, and on which machine where that is not this one as it is."""
        size = "x".join(map(str, kernels.get(self.kernel).size(self.size)))
        return " ".join(filter(None, (self.kernel, size, self.dtype, self.isa)))

    @property
    def name(self) -> str:
        """Of the run in the store."""
        words = (self.prefix, self.kernel, self.dtype, self.size, self.isa, self.strategy)
        begin = f"from-{self.source.name.removeprefix(f'{self.prefix}-')}" if self.source else ""
        return "-".join(filter(None, (*words, self.budget, f"seed{self.seed}", begin)))

    @property
    def request(self) -> Request:
        """What starts it, without its beginning: that is known only when its source is over."""
        size = kernels.get(self.kernel).size(self.size)
        budget = Budget.parse(self.budget)
        return Request(self.kernel, size, self.dtype, 1, budget, self.seed, self.strategy, name=self.name)


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seeds alone."""

    label: str
    runs: tuple[LiveRun, ...]


@dataclass(frozen=True)
class Lineup:
    """The runs of a part.

    Attributes:
        part: one of ``evolve.live.PARTS``.
        groups: what is held against each other has as many runs each, and the one that the others are held against
            is the first.
        sources: runs whose champions others begin at.
    """

    part: str
    groups: tuple[Group, ...]
    sources: tuple[LiveRun, ...] = ()

    @property
    def runs(self) -> Iterator[LiveRun]:
        """In the order in which they are made: seed by seed, so that what drifts meets all groups alike."""
        yield from self.sources
        yield from itertools.chain.from_iterable(zip(*(group.runs for group in self.groups), strict=True))


@dataclass(frozen=True)
class Terms:
    """What a user may ask for.

    Attributes:
        prefix: of the runs' names: another makes all of them anew.
        budget: of every run; None for each part's own.
        seeds: of every group; None for each part's own.
        is_quick: small problems: to see that it works.
    """

    prefix: str = "live"
    budget: str | None = None
    seeds: int | None = None
    is_quick: bool = False


def lineups(parts: Iterable[str], terms: Terms) -> list[Lineup]:
    """The runs of some parts."""
    makers = {"throughput": _throughput, "speed": _speed, "warm": _warm}
    return [makers[part](terms) for part in dict.fromkeys(parts)]


def _throughput(terms: Terms) -> Lineup:
    """A kernel that takes its time to build and to measure, and one that takes little of either."""
    budget = terms.budget or BUDGETS["throughput"]
    sizes = {"matmul": "64", "triad": "1000"} if terms.is_quick else {"matmul": "512", "triad": "100000"}
    first = [LiveRun(terms.prefix, kernel, size, "float64", budget) for kernel, size in sizes.items()]
    return Lineup("throughput", tuple(_group("throughput", one.problem, one, terms) for one in first))


def _speed(terms: Terms) -> Lineup:
    """The search and random draws on a problem that takes long to measure."""
    ours = LiveRun(
        terms.prefix, "matmul", "64" if terms.is_quick else "1024", "float64", terms.budget or BUDGETS["speed"]
    )
    both = (ours, replace(ours, strategy=RANDOM, budget=Budget.parse(ours.budget).times(PATIENCE).text))
    return Lineup("speed", tuple(_group("speed", one.strategy, one, terms) for one in both))


def _warm(terms: Terms) -> Lineup:
    """One problem from the kernel's default, and from champions of its neighbours."""
    size, near = ("64", "32") if terms.is_quick else ("512", "256")
    cold = LiveRun(terms.prefix, "matmul", size, "float64", terms.budget or BUDGETS["warm"])
    # the neighbours' seed is none of the cold runs': a warm run must not follow the draws that found its beginning
    given = replace(cold, seed=1000)
    sources = [replace(given, size=near), replace(given, dtype="float32")]
    if lesser := lesser_isa():
        sources.append(replace(given, isa=lesser))
    groups = [_group("warm", COLD, cold, terms)]
    groups += [_group("warm", source.problem, replace(cold, source=source), terms) for source in sources]
    return Lineup("warm", tuple(groups), tuple(sources))


def lesser_isa() -> str:
    """The widest instruction set below this machine's for which it can stand in; "" where there is none."""
    features = fingerprint().features
    return "avx2" if "avx512f" in features else "sse2" if "avx" in features else ""


def _group(part: str, label: str, first: LiveRun, terms: Terms) -> Group:
    seeds = terms.seeds or SEEDS[part]
    return Group(label, tuple(replace(first, seed=seed) for seed in range(1, seeds + 1)))
