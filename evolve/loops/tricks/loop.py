"""tricks: the bag of tricks. What levels 1 to 4 found, on and off, as a full factorial on held-out work: does it stack?

The claim: tricks stack less than additively in ln units, because what one has saved another cannot save again (the
shared bottleneck of growth.md section 4). Two laws say when. What is saved of *different* parts of one sum, of builds,
races and searching, stacks more than additively: by Amdahl's law (AFIPS 1967) each success raises the share of what
remains. What saves the *same* evaluations twice, as a tuned search and a learned model may, stacks less.

The unit of work is a charged search (``evolve.replay.charge``): the processor seconds until a search of a recorded
space that nothing was tuned on is within 5 % of its optimum. Lap k switches the k-th level on, and measures all cells
of the factorial that this makes possible, each beside the cell in which everything is off. Before lap 1 each level is
tried by itself, with seeds that are used for nothing else: a lap's forecast is that gains add. The levels themselves
are what other loops of the store found last, or stand-ins (``evolve.loops.tricks.levels``); they are kept with lap 0.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.inference import Estimate, launches_estimate
from evolve.errors import UsageError
from evolve.loops.protocol import Expectation, Turned
from evolve.loops.spaces import Split
from evolve.loops.tricks.evaluation_costs import SCHEDULES, costs
from evolve.loops.tricks.levels import Level, levels, way
from evolve.replay.charge import BUDGET, Block, Charge, charges, shares
from evolve.replay.read import recording
from evolve.replay.seeds import Ground
from evolve.replay.shipped import HELD_OUT, called, shipped
from evolve.report.quantities import factor
from evolve.tracker.factorial import cells, effects, stacking
from evolve.workers import cores, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evolve.loops.protocol import Around
    from evolve.store import Lap

    Array = NDArray[np.float64]
    On = tuple[str, ...]

SEEDS = 16
"""Searches of each way on each space, in a lap: of 32 paired blocks the mean of ln ratios that spread by 0.7 has an
interval of 0.25 to either side; 100 seeds make it 0.1, in hours."""
_ALONE, _TOGETHER = 1 << 20, (1 << 20) + 1
"""Streams of seeds: those with which levels are tried alone, and those of all laps."""
NOTHING = Estimate(0.0, 0.0, 0.0)


def make(around: Around) -> Tricks:
    """The loop, by the options ``seeds``, ``held_out`` (files), and ``children``, which are bred for an ask anyhow."""
    return Tricks(around)


@dataclass(frozen=True)
class Worked:
    """What some cells took, block by block.

    Attributes:
        cells: levels that were on.
        blocks: space and seed of each.
        found: of each block and cell.
    """

    cells: Sequence[On]
    blocks: Sequence[tuple[str, int]]
    found: Sequence[Sequence[Charge]]

    @property
    def work(self) -> Array:
        """``(blocks, cells)`` ln of processor seconds."""
        total_s = np.array([[one.total_s for one in row] for row in self.found])
        work: Array = np.log(total_s)
        return work

    @property
    def near(self) -> float:
        """Share of the searches that came near the optimum."""
        return float(np.mean([one.is_near for row in self.found for one in row]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "cells": [list(on) for on in self.cells],
            "blocks": [list(block) for block in self.blocks],
            "work": [[float(f"{value:.6g}") for value in row] for row in self.work.tolist()],
            "evaluations": [[one.evaluations for one in row] for row in self.found],
            "near": self.near,
        }


class Tricks:
    """See the module; the contract is ``evolve.loops.protocol.ClosedLoop``."""

    kind: ClassVar[str] = "tricks"

    def __init__(self, around: Around) -> None:
        self.around, self.options = around, around.loop.options
        self.grounds = grounds(self.options)
        self.seeds = int(self.options.get("seeds") or SEEDS)
        self.further = {name: self.options[name] for name in ("children",) if self.options.get(name)}

    def start(self) -> Turned:
        """See ``ClosedLoop``: what an evaluation costs, and what each level gives by itself."""
        known = levels(self.around.store, self.around.loop.machine)
        self._refuse_seen(known)
        spent = {ground.landscape.name: self._costs(ground) for ground in self.grounds}
        self.around.look()
        alone = [(), *((level.name,) for level in known)]
        worked = self._worked(known, spent, alone, _ALONE)
        base = [row[0] for row in worked.found]
        least_s = [sum(_seconds(spent[space])) for space, _ in worked.blocks]
        return Turned(
            gain=NOTHING,
            engine=NOTHING,
            # nobody finds anything without an evaluation that is built and proven
            ceiling=_mean([math.log(one.total_s / least) for one, least in zip(base, least_s, strict=True)]),
            details={
                "limit": "a single evaluation",
                "ceiling_by": "where a single evaluation is enough",
                "levels": [level.as_dict() for level in known],
                "spaces": self._split.as_list(),
                "costs": spent,
                "shares": {name: float(np.mean([shares(one)[name] for one in base])) for name in shares(base[0])},
                **worked.as_dict(),
            },
        )

    def forecast(self, laps: Sequence[Lap]) -> Expectation:
        """See ``ClosedLoop``: that the gains of all levels that are on by then add.

        Raises:
            UsageError: there is no further level; nothing is kept of such a lap.
        """
        levels = laps[0].details["levels"]
        if len(laps) > len(levels):
            raise UsageError(f"there are {len(levels)} levels, and all of them are on", "start a new loop")
        return forecast(laps)

    def turn(self, laps: Sequence[Lap], rng: np.random.Generator) -> Turned:
        """See ``ClosedLoop``; the seeds of all laps are the same, so that cells of two laps are of the same blocks."""
        del rng
        details = laps[0].details
        known = [Level.from_dict(told) for told in details["levels"]]
        self._split.check(details["spaces"])
        on = tuple(level.name for level in known[: len(laps)])
        new = [(), *(cell for cell in cells(on) if on[-1] in cell)]
        return turned(laps, on, self._worked(known, details["costs"], new, _TOGETHER))

    def close(self) -> None:
        """Nothing is held: workers end with what they were given."""

    @property
    def _split(self) -> Split:
        return Split((), self.grounds)

    def _refuse_seen(self, known: Sequence[Level]) -> None:
        """Refuse spaces that one of the levels was tuned on.

        Raises:
            UsageError: there is one.
        """
        ours = {one["digest"]: one["space"] for one in self._split.as_list()}
        for level in known:
            spaces = self.around.store.laps(level.loop)[0].details.get("spaces", ()) if level.loop else ()
            for seen in (one for one in spaces if one["role"] == "training" and one["digest"] in ours):
                said = f"loop {level.loop} was tuned on {ours[seen['digest']]}"
                raise UsageError(said, "name others with --held-out")

    def _costs(self, ground: Ground) -> dict[str, Any]:
        """What an evaluation costs on a space, measured on a few schedules of it."""
        self.around.say(f"building and proving {SCHEDULES} schedules of {ground.landscape.name}")
        rng, known = np.random.default_rng(self.around.loop.seed), [*ground.landscape.times_s]
        drawn = rng.choice(len(known), size=min(SCHEDULES, len(known)), replace=False)
        found = costs(recording(ground.path), [known[at] for at in drawn.tolist()], self.around.look)
        return found.as_dict()

    def _worked(self, known: Sequence[Level], spent: Mapping[str, Any], on: Sequence[On], stream: int) -> Worked:
        """Go some ways on all spaces with all seeds of a stream, on all cores."""
        ways = tuple(way(known, cell, self.further) for cell in on)
        drawn = np.random.default_rng([self.around.loop.seed, stream]).integers(1 << 31, size=self.seeds).tolist()
        blocks = [
            Block(ground.path, seed, *_seconds(spent[ground.landscape.name]), ways)
            for ground in self.grounds
            for seed in drawn
        ]
        found: dict[Block, list[Charge]] = {}
        for block, charged in spread(_charged, blocks, cores()):
            self.around.look()
            found[block] = charged
            self.around.say(f"{len(found)} of {len(blocks)} blocks of {len(on)} ways to search were gone through")
        names = [(ground.landscape.name, seed) for ground in self.grounds for seed in drawn]
        return Worked(on, names, [found[block] for block in blocks])


def _seconds(spent: Mapping[str, Any]) -> tuple[float, float]:
    """What a build takes, and what an evaluation takes beside it and its samples."""
    return spent["built_s"]["estimate"], spent["proven_s"]["estimate"]


def _charged(block: Block) -> tuple[Block, list[Charge]]:
    return block, charges(block)


def grounds(options: Mapping[str, Any]) -> tuple[Ground, ...]:
    """The spaces that a loop's options name, or those of this installation that nothing is tuned on.

    Raises:
        UsageError: there are none, or one is in another format than ours.
        EvolveError: one cannot be read, or there is nothing to search for in it.
    """
    files = [Path(name) for name in str(options.get("held_out") or "").split(os.pathsep) if name] or _shipped()
    for file in files:
        recording(file)
    return tuple(Ground.of(file, BUDGET) for file in files)


def _shipped() -> list[Path]:
    found = [file for file in shipped() if called(file) in HELD_OUT]
    if not found:
        remedy = "name some with --held-out; `evolve record` makes one of a kernel"
        raise UsageError("this installation has no recorded spaces that nothing is tuned on", remedy)
    return found


# ---- what it comes to


def forecast(laps: Sequence[Lap]) -> Expectation:
    """The gain of the next lap where gains add: of each level by itself, with seeds of their own, before lap 1.

    Args:
        laps: so far.
    """
    details = laps[0].details
    gains = _gains(details["work"])
    names = [level["name"] for level in details["levels"]]
    on = names[: len(laps)]
    if len(on) < len(laps):
        return Expectation(Estimate(0.0, 0.0, 0.0), "no level is left to be switched on")
    alone = ", ".join(f"{name} {factor(math.exp(gains[:, names.index(name) + 1].mean()))}" for name in on)
    stand_ins = [level["name"] for level in details["levels"] if not level["loop"] and level["name"] in on]
    said = f"; stand-in for {' and '.join(stand_ins)}, of which no loop is finished here" if stand_ins else ""
    return Expectation(_mean(gains[:, 1 : len(laps) + 1].sum(axis=1)), f"alone they give {alone}{said}")


def turned(laps: Sequence[Lap], on: On, worked: Worked) -> Turned:
    """A lap's gain over the cell in which everything is off, and the factorial of all levels that are on.

    Args:
        laps: so far.
        on: levels, in the order in which they were switched on.
        worked: the cells that are new with this lap, behind the one in which everything is off.
    """
    responses = _responses([lap.details for lap in laps[1:]], on, worked)
    all_on, before = responses[:, -1], responses[:, len(cells(on)) // 2 - 1]
    gain, stacks = _mean(all_on), stacking(on, responses)
    return Turned(
        gain=gain,
        engine=gain,
        inputs=1.0 + len(on),
        details={
            "level": on[-1],
            "on": list(on),
            "step": _mean(all_on - before).as_dict(),
            "effects": [effect.as_dict() for effect in effects(on, responses)],
            "stacking": stacks.as_dict(),
            **worked.as_dict(),
        },
    )


def _responses(before: Sequence[Mapping[str, Any]], on: On, worked: Worked) -> Array:
    """``(blocks, cells)`` gains of all cells over the one in which everything is off, as the same lap measured it."""
    gains: dict[frozenset[str], Array] = {}
    for told in (*before, worked.as_dict()):
        found = _gains(told["work"])
        gains |= {frozenset(cell): found[:, at] for at, cell in enumerate(told["cells"])}
    return np.stack([gains[frozenset(cell)] for cell in cells(on)], axis=1)


def _gains(work: Sequence[Sequence[float]]) -> Array:
    """``(blocks, cells)`` ln of how many times less work a cell takes than the first one."""
    values = np.array(work, dtype=np.float64)
    gains: Array = values[:, :1] - values
    return gains


def _mean(gains: Sequence[float] | Array) -> Estimate:
    """The mean over blocks with its t interval; open where there is one block only."""
    values = [float(gain) for gain in gains]
    if len(values) < 2:
        return Estimate(values[0], -math.inf, math.inf)
    return launches_estimate([[value] for value in values])
