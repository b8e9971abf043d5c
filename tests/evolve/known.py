"""A harness and a survey with known answers: no clock, no compiler."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

from benchmarks.bound import Bound, Bounds
from benchmarks.contestant import Contestant, Task
from benchmarks.fresh import Fresh
from benchmarks.harness import Built, Incumbent, Plan
from benchmarks.outcome import Crashed, Measured, Samples
from kernels.language import Handle, Schedule

TASK = Task("triad", (1000,), "float64")
BASELINE_S = 1.0


class KnownHarness:
    """Times are a function of the schedule; ``stop_after`` evaluations the user presses Ctrl-C."""

    children_cpu_s = 0.0

    def __init__(self, stop=None, stop_after=None):
        self.task, self.cpus, self.baseline = TASK, [0, 1], Contestant(Handle("baseline", "0"))
        self.stop, self.stop_after, self.measured = stop, stop_after, []

    def time_s(self, schedule):
        digest = hashlib.sha256(str(Schedule(schedule)).encode()).digest()
        return BASELINE_S / (1 + digest[0] / 64)

    def plan(self, schedule):
        # only some genes reach the source, so that duplicates come up
        key = str([schedule[name] for name in list(schedule)[:4]])
        return Plan(schedule, Contestant(Handle("triad", key), (), schedule), key, key)

    def build(self, plans):
        return [Built(plan) for plan in reversed(plans)]

    def first_incumbent(self):
        return Incumbent(self.baseline, BASELINE_S)

    def measure(self, built, incumbent):
        self.measured.append(str(built.plan.schedule))
        if len(self.measured) == self.stop_after:
            self.stop.is_set = True
        if built.plan.key.endswith("8]"):
            return Crashed("died of SIGSEGV")
        time_s = self.time_s(built.plan.schedule)
        ratio = math.log(incumbent.time_s / time_s)
        return Measured(
            time_s=time_s, log_ratio=ratio, low=ratio - 0.01, high=ratio + 0.01, samples=Samples((time_s,), (1.0,), 1)
        )

    def pair(self, candidate, incumbent, _rules):
        return Samples((self.time_s(candidate.schedule),) * 6, (BASELINE_S,) * 6, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass


class OddHarness(KnownHarness):
    """Says something else the first times that it measures some schedules: ``odd`` outcomes by the key's last sign."""

    def __init__(self, odd, times=1):
        super().__init__()
        self.odd, self.times, self.said = odd, times, Counter()

    def measure(self, built, incumbent):
        key = built.plan.key
        outcome = self.odd.get(key[-2])
        if outcome is None or self.said[key] >= self.times:
            return super().measure(built, incumbent)
        self.said[key] += 1
        return outcome


def fresh(harness, contestant, opponents, launches, say):
    """What ``benchmarks.fresh.against`` finds, without noise: true times of the schedules."""
    say(1)

    def time_s(one):
        return harness.time_s(one.schedule) if one.schedule else BASELINE_S

    def taken(other):
        return [Samples((time_s(contestant),) * 6, (time_s(other),) * 6, 1)] * launches

    return Fresh({name: taken(one.contestant) for name, one in opponents.items()}, {}, 0, launches)


def limits(efficiency_s, reject_s):
    return Bounds(Bound("made up", efficiency_s), Bound("made up too", reject_s))


class KnownSurvey:
    """The bounds that it is given, one after the other; the last of them stands."""

    def __init__(self, *bounds):
        self.bounds, self.coming, self.asked = bounds[0], list(bounds[1:]), 0

    least_s = 0.0

    def again(self, _say):
        self.asked += 1
        before, self.bounds = self.bounds, self.coming.pop(0) if self.coming else self.bounds
        return self.bounds != before
