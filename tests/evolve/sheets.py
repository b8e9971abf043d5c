"""Files of ``evolve bench`` from machines that do not exist: as the suites write them, with figures that are known."""

from __future__ import annotations

import copy
import json

from benchmarks.inference import Estimate

STATS = {"min": 0.019, "median": 0.02, "iqr": 0.001, "rounds": 3, "iterations": 3, "data": [0.02] * 3}
ROUNDS = {"leader_s": [0.02, 0.021, 0.02, 0.02], "opponent_s": [0.4, 0.41, 0.4, 0.4], "loops": 3}
CALM = {"contended": 0, "retakes": 1, "steal_share": 0.0, "flags": []}
PROBLEM = {"kernel": "triad", "dtype": "float32", "size": [4096], "threads": 1, "policy": "hot"}


def ratio(estimate, low=None, high=None):
    return Estimate(estimate, low or 0.95 * estimate, high or 1.05 * estimate).as_dict()


def genome(**genes):
    """A schedule of triad."""
    import kernels

    return {**kernels.get("triad").space.schedule(), "lanes": 8, **genes}


def leader(schedule, *, contestant="champion", guests=(), **changes):
    """``extra_info`` of a problem's leader; guests are (name, cost)."""
    over = {"baseline": ratio(20.0), "numpy": ratio(1.05), **{name: ratio(cost) for name, cost in guests}}
    told = {
        **PROBLEM,
        "contestant": contestant,
        "run": "triad-1a",
        "schedule": schedule,
        "source_hash": "f00d" * 16,
        "time_s": 0.02,
        "launches": 2,
        "bound": {"limit": "bandwidth (L1, triad)", "time_s": 0.016},
        "bound_fraction": 0.8,
        "bound_fraction_interval": ratio(0.8),
        "rounds": {name: [4, 4] for name in over},
        "speedups": over,
        "conditions": dict.fromkeys(over, CALM),
        "samples": {name: [ROUNDS] * 2 for name in over},
    }
    return {**told, **changes}


def guest(home, schedule, **changes):
    """``extra_info`` of another machine's champion."""
    home = {"machine": home, "profile": "p", "policy": "hot"}
    return {**PROBLEM, "contestant": f"champion of {home['machine']}", "home": home, "schedule": schedule, **changes}


def sheet(machine, *infos, day=1, left_out=(), **changes):
    """The JSON of a machine; ``profile`` and ``policy`` among the changes."""
    policy, profile = changes.pop("policy", "hot"), changes.pop("profile", f"profile of {machine[:4]}")
    fingerprint = {"machine_id": machine, "cpu": "A CPU", "profile": profile, "vector_bytes": 32, "logical_cores": 2}
    ceilings = {"machine": machine, "measured_at": "2026-11-01", "latest": {}, "best": {"machine_id": machine}}
    return {
        "machine_info": {"node": machine, "fingerprint": fingerprint, "ceilings": ceilings},
        "commit_info": {"id": "unknown", "time": None, "dirty": False},
        "benchmarks": [_benchmark(info) for info in infos],
        "datetime": f"2026-11-{day:02}T07:00:00+00:00",
        "version": "5.3.1",
        "evolve": {"schema": 1, "policy": policy, "is_quick": False, "left_out": list(left_out)},
        "rivals": {"versions": {}, "libraries": []},
        **changes,
    }


def _benchmark(info):
    size = "x".join(map(str, info["size"]))
    name = f"bench_kernel[{info['kernel']}-{info['dtype']}-{size}-{info['contestant']}]"
    whole = {"fullname": f"bench_kernels.py::{name}", "params": None, "param": None, "options": {}}
    return {
        "name": name,
        "group": f"{info['kernel']}-{info['dtype']}-{size}",
        **whole,
        "extra_info": info,
        "stats": STATS,
    }


def pair():
    """Two machines that have met: a's champion is 25 % slower on b, b's is 10 % slower on a."""
    a, b = genome(unroll=1), genome(unroll=4)
    first = sheet("a" * 12, guest("b" * 12, b), leader(a, guests=[("champion of " + "b" * 12, 1.1)]))
    second = sheet("b" * 12, guest("a" * 12, a), leader(b, guests=[("champion of " + "a" * 12, 1.25)]), day=2)
    return copy.deepcopy(first), copy.deepcopy(second)


def write(folder, name, data):
    path = folder / name
    path.write_text(json.dumps(data) if not isinstance(data, str) else data)
    return path
