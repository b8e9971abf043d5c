"""Several machines side by side: each against its own ceilings, and each one's champions on the others.

Seconds of different machines are never held against each other. What may be compared are ratios, each measured on one
machine: the fraction of its own bound, the speedup over its own plain loop, and what a guest's schedule costs there.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.inference import Estimate
from evolve.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from evolve.sheet import Guest, Leader, Problem, Profile, ProfileKey, Sheet

CellKind = Literal["own", "same", "measured", "refused", "missing"]
SAME = Estimate(1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Cell:
    """The champion of one machine on another.

    Attributes:
        home: whose champion.
        host: where it ran.
        kind: ``own``; ``same`` schedule as the host's own; ``measured``; ``refused`` by the host, as an illegal
            schedule is; or ``missing``.
        cost: t_champion / t_host's own, both measured on the host; None where it is not known.
        note: why it was refused, or which command measures what is missing.
    """

    home: ProfileKey
    host: ProfileKey
    kind: CellKind
    cost: Estimate | None
    note: str = ""

    @property
    def fraction(self) -> Estimate | None:
        """Its speed as a fraction of the host's own champion's."""
        return inverse(self.cost) if self.cost else None


@dataclass(frozen=True)
class Gene:
    """A gene's value on each machine; None where it means nothing there."""

    name: str
    values: Mapping[ProfileKey, str | None]

    @property
    def agrees(self) -> bool:
        """Whether all machines for which it means something chose the same."""
        return len(self._meant) <= 1

    @property
    def agreed(self) -> str:
        """What all chose; empty where they differ, or where it means nothing to any of them."""
        return next(iter(self._meant)) if len(self._meant) == 1 else ""

    @property
    def _meant(self) -> set[str]:
        return {value for value in self.values.values() if value is not None}


@dataclass(frozen=True)
class Portable:
    """The one schedule for all machines.

    Attributes:
        home: whose champion it is.
        costs: by machine t_portable / t_own; 1.1 is a tenth more time than with its own champion.
    """

    home: ProfileKey
    costs: Mapping[ProfileKey, Estimate]

    @property
    def worst(self) -> ProfileKey:
        """The machine that pays most."""
        return max(self.costs, key=lambda key: self.costs[key].estimate)


@dataclass(frozen=True)
class Aligned:
    """A problem that at least two machines solved.

    Attributes:
        problem: which.
        leaders: by machine.
        cells: every champion on every machine, row by row.
        genes: over machines.
        portable: None where no champion is known to run on all machines.
        is_settled: False where what is missing could name another portable schedule.
    """

    problem: Problem
    leaders: Mapping[ProfileKey, Leader]
    cells: tuple[Cell, ...]
    genes: tuple[Gene, ...]
    portable: Portable | None
    is_settled: bool

    @property
    def is_one(self) -> bool:
        """Whether all machines are led by the same schedule."""
        return all(cell.kind in ("own", "same") for cell in self.cells)


@dataclass(frozen=True)
class Comparison:
    """All that several machines show together.

    Attributes:
        profiles: the machines, in the order given.
        labels: a short name for each, unique.
        problems: those of at least two machines.
        alone: problems of one machine only.
        remarks: what a reader must know of the data.
    """

    profiles: tuple[Profile, ...]
    labels: Mapping[ProfileKey, str]
    problems: tuple[Aligned, ...]
    alone: tuple[tuple[Problem, ProfileKey], ...]
    remarks: tuple[str, ...]


def compare(sheets: Sequence[Sheet]) -> Comparison:
    """Lay what several machines found side by side.

    Raises:
        UsageError: something is given twice, there is one machine only, or they have no problem in common.
    """
    _check_twice(sheets)
    by_profile = _by_profile(sheets)
    if len(by_profile) < 2:
        [only] = by_profile.values()
        raise UsageError(
            f"only one machine is given: {only[0].profile.description} ({only[0].profile.machine})",
            "compare needs two; `evolve bench --compare` holds runs of one machine together",
        )
    leaders = {key: _leaders(own) for key, own in by_profile.items()}
    hosts: dict[Problem, dict[ProfileKey, Leader]] = defaultdict(dict)
    for key, found in leaders.items():
        for problem, (leader, _) in found.items():
            hosts[problem][key] = leader
    shared = sorted(problem for problem, by in hosts.items() if len(by) > 1)
    if not shared:
        raise UsageError(f"the machines have no problem in common ({_solved(by_profile)})", "bench one on both")
    labels = _labels([own[0].profile for own in by_profile.values()])
    files = {key: {problem: sheet for problem, (_, sheet) in found.items()} for key, found in leaders.items()}
    return Comparison(
        profiles=tuple(own[-1].profile for own in by_profile.values()),
        labels=labels,
        problems=tuple(_aligned(problem, hosts[problem], files, labels) for problem in shared),
        alone=tuple((problem, next(iter(by))) for problem, by in sorted(hosts.items()) if len(by) == 1),
        remarks=tuple(_remarks(sheets, labels)),
    )


def _check_twice(sheets: Sequence[Sheet]) -> None:
    seen: dict[tuple[Any, ...], Sheet] = {}
    for sheet in sheets:
        key = (sheet.profile.key, sheet.measured_at, tuple(sorted(sheet.leaders)))
        if key in seen:
            twice = "twice" if seen[key].source == sheet.source else f"as {seen[key].source} too"
            raise UsageError(f"{sheet.source} is given {twice}", "name each measurement once")
        seen[key] = sheet


def _by_profile(sheets: Iterable[Sheet]) -> dict[ProfileKey, list[Sheet]]:
    found: dict[ProfileKey, list[Sheet]] = {}
    for sheet in sheets:
        found.setdefault(sheet.profile.key, []).append(sheet)
    return {key: sorted(own, key=lambda sheet: sheet.measured_at) for key, own in found.items()}


def _leaders(sheets: Iterable[Sheet]) -> dict[Problem, tuple[Leader, Sheet]]:
    """Of each problem what was measured last."""
    return {problem: (leader, sheet) for sheet in sheets for problem, leader in sheet.leaders.items()}


def _solved(by_profile: Mapping[ProfileKey, Sequence[Sheet]]) -> str:
    kernels = {
        own[0].profile.machine: sorted({problem.kernel for sheet in own for problem in sheet.leaders})
        for own in by_profile.values()
    }
    return "; ".join(f"{machine}: {', '.join(names) or 'none'}" for machine, names in kernels.items())


def _labels(profiles: Sequence[Profile]) -> dict[ProfileKey, str]:
    """What tells them apart: without the processor where that is the same, with the id where nothing else differs."""
    is_one_model = len({profile.processor for profile in profiles}) == 1
    for name in ("setting", "description") if is_one_model else ("description",):
        names = {profile.key: str(getattr(profile, name)) for profile in profiles}
        if len(set(names.values())) == len(names) and all(names.values()):
            return names
    return {profile.key: f"{profile.description} ({profile.machine[:6]})" for profile in profiles}


def _remarks(sheets: Iterable[Sheet], labels: Mapping[ProfileKey, str]) -> list[str]:
    found: list[str] = []
    newest: dict[Any, str] = {}
    for sheet in sorted(sheets, key=lambda sheet: sheet.measured_at):
        label = labels[sheet.profile.key]
        if sheet.is_quick:
            found.append(f"{label}: measured with --quick, to see that it works, not to be quoted")
        if not sheet.profile.ceilings:
            found.append(f"{label}: its ceilings are not known")
        for problem, leader in sheet.leaders.items():
            key = (sheet.profile.key, problem)
            if key in newest:
                found.append(f"{label}, {named(problem)}: {newest[key]} is superseded by {sheet.source}")
            newest[key] = sheet.source
            found += [f"{label}, {named(problem)}: {doubt}" for doubt in _doubts(leader)]
    return list(dict.fromkeys(found))


def _doubts(leader: Leader) -> list[str]:
    found = [f"{', '.join(leader.flags)} while it was measured"] if leader.flags else []
    if leader.fraction and leader.fraction.low > 1:
        found.append("beyond its bound, so the ceilings are too low: `evolve machine` measures them again")
    return found


def named(problem: Problem) -> str:
    """A problem as people write it."""
    threads = f" {problem.threads} threads" if problem.threads > 1 else ""
    return f"{problem.kernel} {problem.dtype} {'x'.join(map(str, problem.size))}{threads}"


# ---- one problem


def _aligned(
    problem: Problem,
    leaders: Mapping[ProfileKey, Leader],
    files: Mapping[ProfileKey, Mapping[Problem, Sheet]],
    labels: Mapping[ProfileKey, str],
) -> Aligned:
    cells = []
    for home, host in itertools.product(leaders, repeat=2):
        cell = _cell(home, host, leaders)
        if cell.kind == "missing":
            command = _command(problem, files[home][problem], files[host][problem].profile)
            cell = replace(cell, note=f"on {labels[host]}: {command}")
        cells.append(cell)
    portable = _portable(leaders, cells)
    is_settled = not any(_may_be_better(home, cells, portable) for home in leaders)
    return Aligned(problem, leaders, tuple(cells), tuple(_genes(problem, leaders)), portable, is_settled)


def _may_be_better(home: ProfileKey, cells: Sequence[Cell], portable: Portable | None) -> bool:
    """Whether what is missing of a champion could make it the portable schedule."""
    row = [cell for cell in cells if cell.home == home]
    kinds = {cell.kind for cell in row}
    if "missing" not in kinds or "refused" in kinds:
        return False
    worst = max((cell.cost.estimate for cell in row if cell.cost), default=0.0)
    return portable is None or worst < portable.costs[portable.worst].estimate


def _cell(home: ProfileKey, host: ProfileKey, leaders: Mapping[ProfileKey, Leader]) -> Cell:
    if home == host:
        return Cell(home, host, "own", SAME)
    schedule = leaders[home].schedule
    if schedule == leaders[host].schedule:
        return Cell(home, host, "same", SAME)
    guest = _guest(leaders[host].guests, home, schedule)
    if guest is None:
        return Cell(home, host, "missing", None)
    return Cell(home, host, "measured" if guest.cost else "refused", guest.cost, guest.reason)


def _guest(guests: Iterable[Guest], home: ProfileKey, schedule: Mapping[str, Any]) -> Guest | None:
    """The guest with that very schedule: an earlier champion of the same machine says nothing of its present one."""
    found = [guest for guest in guests if guest.schedule == schedule]
    return next((guest for guest in found if guest.home == home), found[0] if found else None)


def _command(problem: Problem, home: Sheet, host: Profile) -> str:
    """What measures the champion of one sheet on a machine."""
    bench = f"evolve bench {problem.kernel}"
    if home.is_file:
        return f"{bench}{host.options} --with {home.source}"
    return f"{bench}{host.options} --with FILE (there: {bench}{home.profile.options} --save FILE)"


def _portable(leaders: Mapping[ProfileKey, Leader], cells: Sequence[Cell]) -> Portable | None:
    """Of the champions whose cost is known on all machines the one whose worst cost is least."""
    rows = [(home, [cell for cell in cells if cell.home == home]) for home in leaders]
    known = [
        Portable(home, {cell.host: cell.cost for cell in row if cell.cost})
        for home, row in rows
        if all(cell.cost for cell in row)
    ]
    return min(known, key=lambda one: one.costs[one.worst].estimate, default=None)


def _genes(problem: Problem, leaders: Mapping[ProfileKey, Leader]) -> list[Gene]:
    is_active = _activity(problem)
    names = dict.fromkeys(name for leader in leaders.values() for name in leader.schedule)
    return [
        Gene(
            name,
            {
                key: str(leader.schedule[name])
                if name in leader.schedule and is_active(name, leader.schedule)
                else None
                for key, leader in leaders.items()
            },
        )
        for name in names
    ]


def _activity(problem: Problem) -> Callable[[str, Mapping[str, Any]], bool]:
    """Whether a gene means anything in a schedule; all do where the kernel is not installed."""
    import kernels  # noqa: PLC0415 - imports numpy and the kernels

    try:
        known = kernels.get(problem.kernel).space.by_name
    except (KeyError, ImportError):
        return lambda _name, _schedule: True
    return lambda name, schedule: name not in known or known[name].is_active(schedule)


def inverse(ratio: Estimate) -> Estimate:
    """1 / ratio with its interval."""
    low = 1 / ratio.high if ratio.high else math.inf
    high = 1 / ratio.low if ratio.low else math.inf
    return Estimate(1 / ratio.estimate, low, high, ratio.level)
