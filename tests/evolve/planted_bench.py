"""What the suites of ``evolve bench`` give, without any suite that gave it: a champion, a plain loop, a rival."""

from __future__ import annotations

from pathlib import Path

from benchmarks.inference import Estimate
from evolve.bench import Measured
from evolve.store import Batch, Publication, utc_now
from evolve.store.testing import evaluation, new_run
from evolve.store.testing import measured as outcome

MACHINE = {
    "cpu": "A CPU",
    "llvm_cpu": "znver5",
    "vector_bytes": 64,
    "caches": [{"level": "L1", "bytes": 32768, "line_bytes": 64, "shared_by": 1}],
    "versions": {"python": "3.11.7", "numba": "0.68.1"},
}
OPENBLAS = {"package": "numpy", "name": "openblas", "version": "0.3.31", "target": "Haswell", "vector_bytes": 32}
STATS = {"min": 0.019, "median": 0.02, "iqr": 0.001, "rounds": 100, "iterations": 3, "data": [0.02] * 100}
PROBLEM = {"kernel": "matmul", "dtype": "float64", "size": [64, 64, 32], "threads": 1, "flop": 2e9, "moved_bytes": 1e6}
SPEEDUPS = {"baseline": Estimate(20.0, 19.0, 21.0).as_dict(), "numpy": Estimate(1.05, 1.01, 1.09).as_dict()}
LEADER = {
    **PROBLEM,
    "contestant": "champion",
    "run": "matmul-1a",
    "name": "mine",
    "budget": "10m",
    "evaluations": 834,
    "schedule": {"mr": 4, "order": "ijk"},
    "source_hash": "f00d" * 16,
    "published": {"source_hash": "f00d" * 16},
    "bound": {"limit": "arithmetic (fma, float64)", "time_s": 0.016},
    "bound_fraction": 0.8,
    "moment_fraction": Estimate(0.9, 0.88, 0.91).as_dict(),
    "time_s": 0.02,
    "launches": 5,
    "rounds": {"baseline": [3, 4, 3, 3, 3], "numpy": [20] * 5},
    "speedups": SPEEDUPS,
}


def _benchmark(info, group="matmul-float64-64x64x32"):
    return {"name": f"bench_kernel[{group}-{info['contestant']}]", "group": group, "extra_info": info, "stats": STATS}


def suites(*infos):
    """The JSON of the suites with these contestants."""
    startup = {"name": "bench_startup[evolve --help]", "group": "start-up", "extra_info": {"command": "evolve --help"}}
    door = {"name": "bench_door[matmul]", "group": "door", "extra_info": {"door": "matmul"}}
    others = [{**startup, "stats": {**STATS, "median": 0.0612}}, {**door, "stats": {"median": 8e-7, "min": 7e-7}}]
    return {
        "datetime": "2026-11-22T07:00:00+00:00",
        "benchmarks": [*map(_benchmark, infos), *others],
        "rivals": {"versions": {"numpy": "2.4.6", "torch": "2.9"}, "libraries": [OPENBLAS]},
        "evolve": {"schema": 1, "policy": "hot", "is_quick": False, "left_out": []},
    }


def measured(*infos):
    """The same as it comes back."""
    return Measured(suites(*infos), Path("0001_bench.json"))


def moved(factor, **changes):
    """The suites measured an hour later, when the champion was that much faster against the plain loop."""
    speedups = {**SPEEDUPS, "baseline": Estimate(20.0 * factor, 19.0 * factor, 21.0 * factor).as_dict()}
    return {**suites({**LEADER, "speedups": speedups, **changes}), "datetime": "2026-11-22T08:00"}


def published(store, month, **changes):
    """A run whose champion was published in that month."""
    at = f"{month}-01T00:00:00+00:00"
    run = new_run(store, **changes)
    store.add_batch(Batch(run.id, 0, utc_now()), [evaluation(run, 1), evaluation(run, 2)])
    store.add_outcome(outcome(run, 2))
    estimate = Estimate(2.0, 1.9, 2.1)
    known = {"launches": 5, "rounds": 12, "time_s": 1.0, "speedup": estimate, "rivals": {}, "samples": {}}
    known |= {"bound_limit": "fma", "bound_time_s": 0.5, "bound_fraction": 0.5, "source_hash": "ab"}
    store.add_publication(Publication(run=run.id, evaluation=2, measured_at=at, **known))
    return run
