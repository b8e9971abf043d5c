"""A command line to type into, with a store of its own and runs planted in it: nothing is measured."""

from __future__ import annotations

import pytest

from benchmarks.inference import Estimate
from benchmarks.machine import fingerprint
from benchmarks.outcome import Measured, Samples, Wrong
from evolve.cli.main import execute
from evolve.progress import Progress
from evolve.store import (
    Batch,
    Bound,
    Ceilings,
    Evaluation,
    Machine,
    OutcomeRecord,
    Publication,
    RunSpec,
    open_store,
    utc_now,
)

TWICE = Estimate(2.0, 1.9, 2.1)


@pytest.fixture
def url(tmp_path, monkeypatch):
    """A store of one's own, known to the command line."""
    path = str(tmp_path / "runs.db")
    monkeypatch.setenv("EVOLVE_STORE", path)
    return path


@pytest.fixture
def store(tmp_path):
    """A store of one's own, open and empty."""
    with open_store(str(tmp_path / "runs.db")) as opened:
        yield opened


@pytest.fixture
def evolve(capsys, url, tmp_path, monkeypatch):
    """Runs a command line: exit code, stdout, stderr."""
    del url
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # no other evolve of this machine holds this lock

    def run(*arguments):
        capsys.readouterr()
        code = execute(arguments)
        return (code, *capsys.readouterr())

    return run


def _measured(time_s):
    samples = Samples((time_s,) * 6, (0.1,) * 6, 1)
    return Measured(time_s=time_s, log_ratio=0.7, low=0.6, high=0.8, samples=samples)


def _plant(store, name=None, outcomes=None, *, is_published=True, policy="hot", gate="trusted"):
    """A finished run of matmul: by default a champion twice as fast as the plain loop, and a wrong schedule."""
    outcomes = [_measured(0.05), Wrong("beyond tolerance")] if outcomes is None else outcomes
    spec = RunSpec(
        kernel="matmul",
        size=(64, 64, 32),
        dtype="float64",
        threads=1,
        strategy="genetic",
        control_share=0.15,
        seed=7,
        budget="2evals",
        batch_size=8,
        machine="cafe",
        versions={"numba": "0.68"},
        name=name,
        policy=policy,
    )
    store.add_machine(Machine("cafe", {"cpu": "a CPU"}))
    run = store.create_run(spec)
    store.add_event(run.id, "started")
    store.add_event(run.id, gate, "equals differ by 20 %")
    store.add_bound(Bound(run.id, utc_now(), "fma", 0.04, 0.1))
    evaluations = [Evaluation(run.id, n, 0, n - 1, "search", "mutate", {"mr": n}, source_key=f"s{n}") for n in (1, 2)]
    store.add_batch(Batch(run.id, 0, utc_now()), evaluations[: len(outcomes)])
    for number, outcome in enumerate(outcomes, 1):
        fitness = 0.7 if isinstance(outcome, Measured) else None
        store.add_outcome(OutcomeRecord(run.id, number, outcome, utc_now(), fitness=fitness))
    store.add_phases(run.id, 0, {"build": 6.0, "verify": 1.0, "measure": 2.0, "search": 0.5, "other": 0.5})
    if is_published:
        store.add_publication(
            Publication(
                run=run.id,
                evaluation=1,
                measured_at=utc_now(),
                launches=5,
                rounds=12,
                time_s=0.05,
                speedup=TWICE,
                rivals={"numpy": Estimate(0.9, 0.8, 1.0)},
                bound_limit="fma",
                bound_time_s=0.04,
                bound_fraction=0.8,
                source_hash="ab12",
                samples={},
            )
        )
    store.add_event(run.id, "finished")
    return run


@pytest.fixture
def plant():
    """Plants a run in a store."""
    return _plant


@pytest.fixture
def planted(url):
    """A planted run."""
    with open_store(url) as store:
        return _plant(store)


class Started:
    """Stands for ``evolve.run.start`` and ``resume``: says something, plants a run."""

    def __init__(self):
        self.asked, self.notes = None, []

    def __call__(self, store, asked, observer, admission, ending=None):
        self.asked, self.admission = asked, admission
        if admission.on_gate:
            admission.on_gate("machine can be trusted")
        run = _plant(store)
        for kind, detail in self.notes:
            store.add_event(run.id, kind, detail)
        observer(_progress(run.id))
        return run


def _progress(run_id):
    return Progress(
        run=run_id,
        kernel="matmul",
        size_text="64x64x32",
        dtype="float64",
        threads=1,
        stage="search",
        doing="racing 1 of 8",
        fraction=0.5,
        elapsed_s=1.0,
        left_s=1.0,
        evaluations=1,
        evaluations_per_s=1.0,
        counts={"Measured": 1},
        phases_s={},
        best=TWICE,
        best_time_s=0.05,
        flop_per_s=None,
        bytes_per_s=None,
        bound_fraction=0.8,
        bound_limit="fma",
        cap=2.5,
        history=(2.0,),
    )


@pytest.fixture
def started(monkeypatch):
    fake = Started()
    monkeypatch.setattr("evolve.run.start", fake)
    monkeypatch.setattr("evolve.run.resume", fake)
    return fake


CEILINGS = {
    "flop_per_s": {"float32": {"fma": {"1": 118e9}}, "float64": {"fma": {"1": 59e9}}},
    "operations_per_s": {"float64": {"exp": {"1": 1e9}}},
    "bytes_per_s": {"L1": {"triad": {"1": 300e9}}, "DRAM": {"triad": {"1": 20e9}}},
    "latency_s": {"L1": 2e-9},
    "clock_hz": 3.6e9,
    "measured_at": "2026-01-01T00:00:00+00:00",
}


@pytest.fixture
def known_machine(url):
    here = fingerprint()
    with open_store(url) as store:
        store.add_machine(Machine(here.machine_id, here.as_dict()))
        store.add_ceilings(Ceilings(here.machine_id, utc_now(), CEILINGS))
    return here
