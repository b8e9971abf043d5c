"""A closed loop that measures nothing: its laps follow from its seed and from the laps before, as a real one's do."""

from __future__ import annotations

import time
from typing import ClassVar

from benchmarks.inference import Estimate
from evolve.gate import Gate
from evolve.loops import drive
from evolve.loops.protocol import Expectation, LapFailedError, Turned
from evolve.machines import known_machine
from evolve.store import Lap, LoopSpec, Machine, utc_now


def around(gain):
    return Estimate(gain, gain - 0.05, gain + 0.05)


class Planted:
    kind: ClassVar[str] = "planted"

    def __init__(self, at):
        self.at, self.is_closed = at, False
        self.options = at.loop.options

    def start(self):
        return Turned(gain=Estimate(0, 0, 0), inputs=1.0, ceiling=around(3.0), details={"sum": 0.1, "seen": [0]})

    def forecast(self, laps):
        return Expectation(around(laps[-1].gain.estimate + 0.5), "half a unit a lap")

    def turn(self, laps, rng):
        self.at.say(f"making lap {len(laps)}")
        time.sleep(self.options.get("lap_s", 0.0))
        if len(laps) == self.options.get("fails_at"):
            raise LapFailedError("nothing was right")
        if len(laps) == self.options.get("breaks_at"):
            raise ZeroDivisionError("by accident")
        total = laps[-1].details["sum"] + rng.random()
        return Turned(gain=around(total), inputs=2.0 ** len(laps), details={"sum": total, "seen": (len(laps),)})

    def close(self):
        self.is_closed = True


class Heard:
    """An observer that remembers; ``at_lap`` is called with each lap."""

    def __init__(self, at_lap=None):
        self.forecasts, self.laps, self.at_lap = [], [], at_lap or (lambda _lap: None)

    def says(self, doing):
        pass

    def forecast(self, forecast):
        self.forecasts.append(forecast)

    def lap(self, lap, _forecast):
        self.laps.append(lap)
        self.at_lap(lap)


def make(at):
    return Planted(at)


def plant(kind="planted"):
    """Put this loop into the place of a kind, and a machine that is always quiet under it."""
    drive.LOOPS[kind] = __name__
    drive.gate = quiet


def quiet(_task, _say, *, anyway):
    return Gate(f"machine can be trusted{', anyway' * anyway}", 0.01, 0.01)


def plant_found(store, kind, off, on, *, finished=True, machine=None):
    """A loop of two laps with these details, as though it had run here, or on another machine."""
    if machine:
        store.add_machine(Machine(machine, {"cpu": "another"}))
    machine = machine or known_machine(store).id
    loop = store.create_loop(LoopSpec(kind=kind, laps=1, seed=1, machine=machine))
    store.add_loop_event(loop.id, "started")
    for number, details in enumerate((off, on)):
        gain = Estimate(0.1 * number, 0.0, 0.2 * number)
        store.add_lap(_lap(loop, number, gain, details))
    if finished:
        store.add_loop_event(loop.id, "finished")
    return loop


def _lap(loop, number, gain, details):
    now = utc_now()
    return Lap(
        loop=loop.id, lap=number, started_at=now, finished_at=now, machine=loop.machine, gain=gain, details=details
    )
