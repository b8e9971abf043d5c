"""How often the verdict is wrong, and how often an interval misses: counted over planted worlds, in two processes."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.aa import binomial_estimate
from evolve.controls import turning
from evolve.controls.faults import FAULTS
from evolve.controls.intervals import INTERVALS
from evolve.controls.kept import LEAST_RIGHT, VERDICTS, Check, Covering, Rates, Row, Share
from evolve.controls.noise import Recorded, record
from evolve.controls.planted import Kind, Setting, World
from evolve.controls.stops import GROUNDS, MOST_FALSE, Stops, counted, together
from evolve.controls.worlds import KINDS
from evolve.report.quantities import clock
from evolve.tracker.laps import series
from evolve.tracker.rule import decide
from evolve.workers import spread

if TYPE_CHECKING:
    from benchmarks.inference import Estimate
    from evolve.controls.noise import Noise

Say = Callable[[str], None]

WORLDS = 500
LAPS = 8
PROCESSES = 2
_CHUNK = 10
_FEW = 20
_HURRY = 12, 6
"""Blocks and launches."""
_SEED = 2026

_LAP_VALUES = ("ratio", "asymptote")
_WORLDS = {kind.name: kind for kind in (*KINDS, *FAULTS)}
_SAMPLES = {one.name: one for one in INTERVALS}
_TURNING = {f"turning_{name}": plant for name, plant in turning.PLANTED.items()}
_GROUNDS = {f"stops_{ground.name}": ground for ground in GROUNDS}
_ALL = (*_WORLDS, *_SAMPLES, *_TURNING, *_GROUNDS)
_STOPPED = 50
"""Worlds of a kind to one planted run of each ground, which takes 5 s: few worlds go without."""


@dataclass(frozen=True)
class _Noise:
    throughput: Noise
    launches: Noise


@dataclass
class Counts:
    """What was said of the worlds of one kind.

    Attributes:
        verdicts: how often each word.
        held: intervals that held the planted value, by the value's name.
        missed: intervals that did not.
        unknown: worlds whose value is planted, but got no interval.
        right: loops whose verdict turned in time, among ``tried``.
        stops: what the stop rule did.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    right: int = 0
    tried: int = 0
    stops: list[Stops] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Count those of another chunk too."""
        self.verdicts += other.verdicts
        self.held += other.held
        self.missed += other.missed
        self.unknown += other.unknown
        self.right += other.right
        self.tried += other.tried
        self.stops += other.stops

    def judge(self, name: str, found: Estimate | None, truth: float | None) -> None:
        """Note whether an interval holds the truth; nothing where no truth is known."""
        if truth is None:
            return
        where = self.unknown if found is None else self.held if found.low <= truth <= found.high else self.missed
        where[name] += 1


def measure(
    noise: Recorded,
    worlds: int = WORLDS,
    say: Say = lambda _line: None,
    *,
    laps: int = LAPS,
    processes: int = PROCESSES,
) -> Rates:
    """Plant so many worlds of each kind, and count what is said of them.

    The worlds follow from their numbers alone: neither the processes nor the order of their work changes a rate.

    Args:
        noise: of this machine.
        worlds: of each kind.
        say: is told how far it is.
        laps: of each loop.
        processes: that share the work; 1 does it here.
    """
    began_s = time.monotonic()
    counts = {name: Counts() for name in _ALL}
    tasks = _tasks(_Noise(noise.throughput(), noise.fresh()), worlds, laps)
    for name, found in _worked(tasks, processes, say):
        counts[name].add(found)
    return Rates(
        machine=noise.machine,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        worlds=worlds,
        laps=laps,
        rows=[*_rows(counts)],
        coverings=[*_of_laps(counts), *_of_samples(counts)],
        noise={"throughput": noise.throughput().as_dict(), "launches": noise.fresh().as_dict()},
        checks=[*_of_turning(counts), *_of_stops(counts)],
        elapsed_s=time.monotonic() - began_s,
    )


def first_look(machine: str, say: Say = lambda _line: None) -> Rates:
    """Rates of few worlds, with a noise that was recorded in a hurry: some forty seconds on two cores."""
    return measure(record(machine, say, *_HURRY), _FEW, say)


# ---- the work


@dataclass(frozen=True)
class _Task:
    name: str
    numbers: range
    noise: _Noise
    laps: int


def _tasks(noise: _Noise, worlds: int, laps: int) -> list[_Task]:
    """Chunks of all kinds in turn, so that the time left is told truly from the start."""
    return [
        _Task(name, range(first, min(first + _CHUNK, worlds)), noise, laps)
        for first in range(0, worlds, _CHUNK)
        for name in _ALL
    ]


def _worked(tasks: Sequence[_Task], processes: int, say: Say) -> Iterator[tuple[str, Counts]]:
    began_s = time.monotonic()
    for done, found in enumerate(spread(tried, tasks, processes), start=1):
        left_s = (time.monotonic() - began_s) / done * (len(tasks) - done)
        say(f"planted worlds, {done / len(tasks):.0%} judged, {clock(left_s)} left")
        yield found


def tried(task: _Task) -> tuple[str, Counts]:
    """Make and judge the worlds of one chunk."""
    found = Counts()
    for number in task.numbers:
        rng = np.random.default_rng([_SEED, zlib.crc32(task.name.encode()), number])
        _try(task.name, number, Setting(task.noise.throughput, task.noise.launches, task.laps, rng), found)
    return task.name, found


def _try(name: str, number: int, setting: Setting, counts: Counts) -> None:
    if name in _WORLDS:
        _judge(_WORLDS[name].plant(setting), counts)
    elif name in _SAMPLES:
        for value, (interval, truth) in _SAMPLES[name].plant(setting).items():
            counts.judge(value, interval, truth)
    elif name in _TURNING:
        counts.tried += 1
        counts.right += _TURNING[name](setting)
    elif (number + 1) % _STOPPED == 0:
        run = number // _STOPPED
        counts.stops.append(counted(_GROUNDS[name], range(run, run + 1)))


def _judge(world: World, counts: Counts) -> None:
    verdict = decide(series(world.laps))
    counts.verdicts[verdict.verdict] += 1
    counts.judge("ratio", verdict.ratio, world.ratio)
    counts.judge("asymptote", verdict.asymptote, world.asymptote)


# ---- what it comes to


def share(count: int, of: int) -> Share:
    """A share with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""
    found = binomial_estimate(count, of)
    return Share(count, of, found.low, found.high, found.level)


def _rows(counts: Mapping[str, Counts]) -> Iterator[Row]:
    for kind in KINDS:
        yield _row(kind, counts[kind.name])
    for fault in FAULTS:
        # of what cannot be judged nothing may ever be said
        yield replace(_row(fault, counts[fault.name]), most_wrong=0.0, least_right=1.0)


def _row(kind: Kind, counts: Counts) -> Row:
    worlds = counts.verdicts.total()
    verdicts = {word: share(counts.verdicts[word], worlds) for word in VERDICTS}
    return Row(kind.name, kind.what, verdicts, kind.wrong, kind.right)


def _of_turning(counts: Mapping[str, Counts]) -> Iterator[Check]:
    for name in _TURNING:
        found = share(counts[name].right, counts[name].tried)
        kind = name.removeprefix("turning_")
        what = f"{kind}, planted: the verdict turns at the laps foretold, give or take {turning.MOST_LAPS_OFF}"
        yield Check(name, what, found, f">= {LEAST_RIGHT:.0%}", found.lies(LEAST_RIGHT, 1.0))


def _of_stops(counts: Mapping[str, Counts]) -> Iterator[Check]:
    """One share over all grounds: most of them are there to tempt the rule, and nothing is to be saved on them."""
    runs = {ground.name: together(counts[name].stops) for name, ground in _GROUNDS.items()}
    if any(stops.runs for stops in runs.values()):
        yield stops_check("planted", runs)


def stops_check(name: str, runs: Mapping[str, Stops], least_saved: float = 0.0) -> Check:
    """The check of ``--stop-when-flat``.

    Args:
        name: of these runs.
        runs: what the rule did, by where.
        least_saved: share of all evaluations.
    """
    every = together(runs.values())
    found = share(every.false_stops, every.runs)
    saved = ", ".join(f"{what} {stops.saved:.0%}" for what, stops in runs.items() if stops.saved)
    what = f"--stop-when-flat, {name} runs: stopped with over 2 % to gain; saved of evaluations: {saved or 'none'}"
    bar = f"<= {MOST_FALSE:.0%}" + (f", {least_saved:.0%} saved" if least_saved else "")
    holds = found.lies(0.0, MOST_FALSE) and every.saved >= least_saved
    return Check(f"stops_{name}", what, found, bar, holds)


def _of_laps(counts: Mapping[str, Counts]) -> Iterator[Covering]:
    for kind in KINDS:
        for value in _LAP_VALUES:
            if covering := _covering(kind.name, kind.what, value, counts[kind.name]):
                yield covering


def _of_samples(counts: Mapping[str, Counts]) -> Iterator[Covering]:
    for one in INTERVALS:
        for value in one.values:
            if covering := _covering(one.name, one.what, value, counts[one.name]):
                yield replace(covering, is_promised=one.is_promised)


def _covering(name: str, what: str, value: str, counts: Counts) -> Covering | None:
    """None where no interval was given."""
    given = counts.held[value] + counts.missed[value]
    if not given:
        return None
    held = share(counts.held[value], given)
    return Covering(f"{name}.{value}", f"{value}: {what}", held, counts.unknown[value])
