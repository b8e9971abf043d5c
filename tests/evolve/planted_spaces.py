"""Recorded spaces whose every time follows from a law, as files: what loops on recorded spaces learn from."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np

from evolve.loops.protocol import Around
from evolve.loops.spaces import joined
from evolve.progress import StopRequest
from evolve.store import Lap


def written(path, time_of, genes=4, values=5, fails=0):
    """A Kernel Tuner cache of ``values ** genes`` configurations; every ``fails``-th of them failed."""
    names, rows = [f"gene{at}" for at in range(genes)], {}
    for place, row in enumerate(itertools.product(range(1, values + 1), repeat=genes)):
        time = "RuntimeFailedConfig" if fails and place % fails == fails - 1 else float(time_of(np.array(row), place))
        rows[",".join(map(str, row))] = {**dict(zip(names, row, strict=True)), "time": time}
    told = {"device_name": "none", "kernel_name": path.name, "tune_params_keys": names, "cache": rows}
    path.write_text(json.dumps(told))
    return path


def bowl(path, top=(2, 4, 3, 1), **shape):
    """A smooth one: the nearer to its top, the faster; the first genes matter most, and no two times are equal."""
    weights = 1.0 / np.arange(1, len(top) + 1)

    def time_of(row, place):
        return np.exp(0.2 * float(weights @ (row - np.array(top)) ** 2) + 1e-6 * place)

    return written(path, time_of, len(top), **shape)


def chaos(path, seed=0, **shape):
    """One without any structure: a time says nothing of any other."""
    times = np.exp(np.random.default_rng(seed).normal(size=100_000))
    return written(path, lambda _row, place: times[place], **shape)


TOPS = {"one": (2, 4, 3, 1), "two": (5, 1, 2, 4), "three": (1, 3, 5, 2), "four": (4, 2, 1, 5)}


def around(kind, folder, make=bowl, stop=None, seed=5, **options):
    """A loop's surroundings: two spaces to learn from, two that judge."""
    files = [folder / f"{name}.json" for name in TOPS]
    for at, (file, top) in enumerate(zip(files, TOPS.values(), strict=True)):
        if not file.exists():
            make(file, top) if make is bowl else make(file, seed=at)
    spaces = {"spaces": joined(files[:2]), "held_out": joined(files[2:])}
    loop = SimpleNamespace(id=f"{kind}-1", kind=kind, seed=seed, options={**spaces, **options})
    return Around(None, loop, lambda _doing: None, stop or StopRequest(), None)


def lap_of(number, turned):
    """A lap as the store gives it back."""
    given = {name: getattr(turned, name) for name in ("gain", "engine", "inputs", "ceiling", "endpoint")}
    details = json.loads(json.dumps(turned.details, allow_nan=False))
    return Lap(loop="x", lap=number, started_at="", finished_at="", machine="m", details=details, **given)


def laps_of(make, count, seed=5, laps=()):
    """Laps of a loop, each by an object of its own, as after a kill; with what was said of each before it."""
    laps, said = [*laps], {}
    for number in range(len(laps), count + 1):
        closed = make()
        if number:
            said[number] = closed.forecast(laps)
        turned = closed.turn(laps, np.random.default_rng([seed, number])) if number else closed.start()
        laps.append(lap_of(number, turned))
        closed.close()
    return laps, said
