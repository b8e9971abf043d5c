"""Runs of the search that were never made, in a store: who was evaluated when, and how fast it was."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta

from benchmarks.machine import fingerprint
from benchmarks.outcome import Measured, Samples
from evolve.live.lineup import LiveRun
from evolve.store import Batch, Evaluation, Machine, OutcomeRecord, RunSpec, open_store

HERE = fingerprint()
ONE = LiveRun("live", "matmul", "64", "float64", "6evals")
BASELINE_S = 1.0


def at(elapsed_s):
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=elapsed_s)).isoformat(timespec="microseconds")


@contextlib.contextmanager
def store_of_here(url):
    """A store that knows this machine."""
    with open_store(url) as opened:
        opened.add_machine(Machine(HERE.machine_id, HERE.as_dict()))
        yield opened


class Planter:
    """Plants a run, of which ``(elapsed_s, time_s)`` of each evaluation is given; the fastest so far has the title."""

    def __init__(self, store, monkeypatch):
        self.store, self.monkeypatch = store, monkeypatch

    def __call__(self, one, evaluations, *, turns=(), ending="finished", schedule=None):
        run = self._begun(one)
        title, title_s = None, BASELINE_S
        for number, (elapsed_s, time_s) in enumerate(evaluations, 1):
            made = Evaluation(run.id, number, number - 1, 0, "search", "mutate", schedule or {"mr": number})
            self.store.add_batch(Batch(run.id, number - 1, at(elapsed_s)), [made])
            ratio = math.log(title_s / time_s)
            samples = Samples((time_s,) * 6, (title_s,) * 6, 1)
            outcome = Measured(time_s=time_s, log_ratio=ratio, low=ratio - 1e-3, high=ratio + 1e-3, samples=samples)
            self.store.add_outcome(OutcomeRecord(run.id, number, outcome, at(elapsed_s), -math.log(time_s), title))
            if time_s < title_s:
                title, title_s = number, time_s
        spent = {"build": 6.0, "verify": 1.0, "measure": 2.0, "search": 0.25, "other": 0.75}
        self.store.add_phases(run.id, 0, {**spent, "building": 4.0, "building_cpu": 3.0 * HERE.logical_cores})
        for elapsed_s, kind in (*turns, (evaluations[-1][0], ending)):
            self._say(run, elapsed_s, kind)
        return run

    def _begun(self, one):
        asked = one.request
        spec = {name: getattr(asked, name) for name in ("kernel", "size", "dtype", "threads", "strategy", "seed")}
        terms = {"control_share": 0.15, "batch_size": 1, "budget": one.budget, "machine": HERE.machine_id}
        run = self.store.create_run(RunSpec(**spec, **terms, name=one.name))
        self._say(run, 0, "started")
        return run

    def _say(self, run, elapsed_s, kind):
        self.monkeypatch.setattr("evolve.store.sqlite.utc_now", lambda: at(elapsed_s))
        self.store.add_event(run.id, kind)
