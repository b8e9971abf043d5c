"""The small landscape as a recording in the repository's own format, with spreads and the plain loop's time."""

from __future__ import annotations

from small_landscape import small_landscape

from evolve.replay.recording import Recording, Subject, Timing

BASELINE_S = 0.05


def small_recording(path, spread=0.02, kernel="triad"):
    """Write it; returns the path."""
    landscape = small_landscape()
    timings = {
        schedule: Timing(None, 0.0, "Wrong") if time_s is None else Timing(time_s, spread)
        for schedule, time_s in landscape.times_s.items()
    }
    subject = Subject(kernel, (64,), "float64", 1, "hot", "all", "cafe", "a CPU", {"numba": "0"})
    Recording(subject, "2026-11-22T00:00:00+00:00", BASELINE_S, landscape.space.parameters, timings).write(path)
    return path
