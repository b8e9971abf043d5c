"""What a problem's leader is worth: paired samples against all others in fresh processes, as plain values for JSON."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.bound import Bound
from benchmarks.fresh import AGAINST_PEER, AGAINST_PLAIN, LAUNCHES, Opponent, against
from benchmarks.harness import Harness
from benchmarks.inference import Estimate, hierarchical_speedup, repeat_interval
from benchmarks.outcome import Samples
from benchmarks.race import Rules
from benchmarks.suites.entries import BASELINE, Entry
from kernels.language import SourceFolder

QUICK_LAUNCHES = 2
QUICK = Rules(most_rounds=6, least_rounds=3, most_s=0.1, may_drop=False)


@dataclass(frozen=True)
class Other:
    """Whom a leader meets, and the seconds of one call as they are known so far."""

    entry: Entry
    call_s: float

    def opponent(self, folder: SourceFolder, *, is_quick: bool) -> Opponent:
        """The same, ready to be raced."""
        rules = QUICK if is_quick else AGAINST_PLAIN if self.entry.name == BASELINE else AGAINST_PEER
        return Opponent(self.entry.contestant(folder), rules, self.call_s)


def compare(
    leader: Entry, others: Sequence[Other], folder: SourceFolder, bound: Bound | None, *, is_quick: bool
) -> dict[str, Any]:
    """Speedups of a leader over all others, each with its interval, and the fraction of the bound.

    Args:
        leader: a problem's champion, or its default schedule.
        others: all that it meets.
        folder: of generated sources.
        bound: the least time of a call; None where the ceilings are not known.
        is_quick: few samples.

    Raises:
        ContestantFailedError: one of ours is wrong, crashes, or takes minutes.
    """
    launches = QUICK_LAUNCHES if is_quick else LAUNCHES
    opponents = {other.entry.name: other.opponent(folder, is_quick=is_quick) for other in others}
    with Harness(leader.task, folder) as harness:
        fresh = against(harness, leader.contestant(folder), opponents, launches)
    rng = np.random.default_rng(leader.task.seed)
    own_s = {name: [launch.candidate_s for launch in launches] for name, launches in fresh.samples.items()}
    fraction = bound_fraction(own_s, bound.time_s, rng) if bound else None
    return {
        "time_s": fresh.time_s,
        "launches": launches,
        "rounds": {name: [len(launch.candidate_s) for launch in samples] for name, samples in fresh.samples.items()},
        "bound_fraction": fraction.estimate if fraction else None,
        "bound_fraction_interval": fraction.as_dict() if fraction else None,
        "speedups": {name: speedup.as_dict() for name, speedup in fresh.speedups(rng).items()},
        "conditions": {name: _conditions(samples) for name, samples in fresh.samples.items()},
        "samples": {name: [_plain(launch) for launch in samples] for name, samples in fresh.samples.items()},
    }


def bound_fraction(
    samples: Mapping[str, Sequence[Sequence[float]]], bound_s: float, rng: np.random.Generator
) -> Estimate:
    """t_bound / t_leader, from the leader's rounds against all opponents, with the interval in which a repeat finds it.

    Args:
        samples: by opponent the leader's seconds a call, one sequence a process; slow opponents are in fewer of them.
        bound_s: the least seconds of a call.
        rng: source of the resampling.
    """
    processes = itertools.zip_longest(*samples.values(), fillvalue=())
    taken = [np.array([time_s for rounds in process for time_s in rounds]) for process in processes]
    return repeat_interval(hierarchical_speedup([(times_s, np.full(len(times_s), bound_s)) for times_s in taken], rng))


def _conditions(launches: Sequence[Samples]) -> Mapping[str, Any]:
    """What the machine did during all races against one opponent; a flag is what more than a quarter of them bear."""
    seen = [launch.conditions for launch in launches]
    flags = Counter(flag for one in seen for flag in one.flags)
    return {
        "contended": sum(one.contended for one in seen),
        "retakes": sum(len(one.retakes) for one in seen),
        "steal_share": max(one.steal_share for one in seen),
        "flags": sorted(flag for flag, count in flags.items() if 4 * count > len(seen)),
    }


def _plain(launch: Samples) -> dict[str, Any]:
    return {"leader_s": list(launch.candidate_s), "opponent_s": list(launch.incumbent_s), "loops": launch.loops}
