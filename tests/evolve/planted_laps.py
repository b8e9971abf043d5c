"""Closed loops whose laps are planted in a store, without any loop that made them."""

from __future__ import annotations

import math

from benchmarks.inference import Estimate
from evolve.store import Forecast, Lap, LoopSpec, Machine, utc_now

MACHINE = "a1b2c3d4e5f6"


def around(value, half=0.01):
    return Estimate(value, value - half, value + half)


def batching(doublings):
    """ln S of batches that grow by what the batch before earned: f(n) = n / (1000 + n), n_0 = 1."""
    capital, gains = 1.0, []
    for _ in range(doublings + 1):
        gains.append(math.log(1001 * capital / (1000 + capital)))
        capital += 1001 * capital / (1000 + capital)
    return gains


def plant_loop(store, gains, *, cap=1000.0, kind="batching", has_engine=True, told_beforehand=None, **changed):
    """Open a loop and plant its laps; ``changed`` are fields of lap k, as in ``lap_3={"machine": "other"}``."""
    store.add_machine(Machine(MACHINE, {"cpu": "A <fast> CPU", "logical_cores": 2}))
    loop = store.create_loop(LoopSpec(kind=kind, laps=len(gains) - 1, seed=3, machine=MACHINE, options={"degree": 32}))
    store.add_loop_event(loop.id, "started")
    for lap, gain in enumerate(gains):
        if lap:
            expected = around((told_beforehand or gains)[lap], 0.1)
            store.add_forecast(Forecast(loop.id, lap, utc_now(), expected, "calls <cost> more than work"))
        store.add_lap(_lap(loop, lap, gain, cap, has_engine, changed.get(f"lap_{lap}", {})))
    store.add_loop_event(loop.id, "finished")
    return loop


def _lap(loop, lap, gain, cap, has_engine, changed):
    measured = around(gain, 0.01 if lap else 0.0)
    given = {
        "machine": MACHINE,
        "gain": measured,
        "engine": measured if has_engine else None,
        "inputs": math.exp(gain) if has_engine else 100.0 * (lap + 1),
        "ceiling": around(math.log(cap), 0.05),
        "cpu_s": 2.0,
    }
    return Lap(loop=loop.id, lap=lap, started_at=utc_now(), finished_at=utc_now(), **(given | changed))
