"""The small landscape as a recording in the repository's own format, with spreads and the plain loop's time."""

from __future__ import annotations

from small_landscape import small_landscape

from evolve.replay.recording import Recording, Subject, Timing

BASELINE_S = 0.05


def subject(**changes):
    """What is recorded: a small triad, but for what is said otherwise."""
    given = {
        "kernel": "triad", "size": (1000,), "dtype": "float64", "threads": 1, "policy": "hot", "space": "small",
        "machine": "cafe", "cpu": "a CPU", "versions": {"numba": "0.68"}, **changes,
    }  # fmt: skip
    return Subject(**given)


def small_recording(path, spread=0.02, kernel="triad"):
    """Write it; returns the path."""
    landscape = small_landscape()
    timings = {
        schedule: Timing(None, 0.0, "Wrong") if time_s is None else Timing(time_s, spread)
        for schedule, time_s in landscape.times_s.items()
    }
    known = subject(kernel=kernel, size=(64,), space="all", versions={"numba": "0"})
    Recording(known, "2026-11-22T00:00:00+00:00", BASELINE_S, landscape.space.parameters, timings).write(path)
    return path
