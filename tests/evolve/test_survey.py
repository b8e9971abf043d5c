"""What a run rests its bounds on: the whole machine once, then briefly what bounds the problem, and the best of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks import ceilings
from benchmarks.bound import REJECT_MARGIN
from benchmarks.contestant import Task
from benchmarks.points import DTYPES, FUNCTIONS, MIXES, PATTERNS
from evolve.store import open_store
from evolve.survey import Survey

TASK = Task("triad", (1 << 24,), "float64", policy="flush")


def sweep(dram=20e9, only=None):
    """Ceilings of a made-up machine; where only some are asked for, memory alone."""
    levels = {"L1": 300e9, "L2": 100e9, "L3": 90e9, "DRAM": dram} if only is None else {"DRAM": dram}
    rates = {dtype: {mix: {"1": 50e9} for mix in MIXES} for dtype in DTYPES} if only is None else {}
    return ceilings.Ceilings(
        flop_per_s=rates,
        bytes_per_s={level: {pattern: {"1": value} for pattern in PATTERNS} for level, value in levels.items()},
        operations_per_s={dtype: {name: {"1": 1e9} for name in FUNCTIONS} for dtype in DTYPES} if only is None else {},
        latency_s={"L1": 1e-9} if only is None else {},
        clock_hz=3.5e9,
        measured_at=datetime.now(UTC).isoformat(),
    )


class Sweeps:
    """Stands for ``ceilings.measure``: bandwidths of memory, one a sweep."""

    def __init__(self, *dram):
        self.dram, self.asked = list(dram), []

    def __call__(self, say, _folder, *, only=None):
        say("traffic")
        self.asked.append(only)
        return sweep(self.dram.pop(0), only)


@pytest.fixture
def sweeps(monkeypatch):
    def planted(*dram):
        found = Sweeps(*dram)
        monkeypatch.setattr("benchmarks.ceilings.measure", found)
        return found

    return planted


def moved_s(bytes_per_s, task=TASK):
    return task.definition.work(task.size, task.dtype).moved_bytes / bytes_per_s


def test_the_first_survey_of_a_machine_measures_all_of_it_later_ones_what_they_need(store, sweeps):
    found, said = sweeps(20e9, 19e9), []
    survey = Survey(store, TASK, said.append)
    assert found.asked == [None]
    assert survey.bounds.efficiency.time_s == pytest.approx(moved_s(20e9))
    later = Survey(store, TASK, said.append)
    assert found.asked[1:] == [ceilings.needed(TASK.definition.work(TASK.size, TASK.dtype), "float64", 1)]
    assert said == ["traffic"] * 2
    # what efficiency is held against is of today; what is impossible, of the best day
    assert later.bounds.efficiency.time_s == pytest.approx(moved_s(19e9))
    assert later.bounds.reject.time_s == survey.bounds.reject.time_s == pytest.approx(moved_s(20e9) / REJECT_MARGIN)
    assert later.least_s == pytest.approx(moved_s(20e9))


def test_a_machine_that_turns_out_faster_has_its_bounds_redrawn(store, sweeps):
    sweeps(20e9, 25e9)
    survey = Survey(store, TASK, lambda _doing: None)
    assert survey.again(lambda _doing: None)
    assert survey.bounds.efficiency.time_s == pytest.approx(moved_s(25e9))
    assert survey.bounds.reject.time_s == pytest.approx(moved_s(25e9) / REJECT_MARGIN)


def test_a_worse_moment_at_the_end_moves_nothing(store, sweeps):
    sweeps(20e9, 5e9)
    survey = Survey(store, TASK, lambda _doing: None)
    before = survey.bounds
    assert not survey.again(lambda _doing: None)
    assert survey.bounds == before


def test_data_that_no_cache_holds_is_bound_by_memory(store, sweeps):
    sweeps(20e9, 20e9, 20e9)
    small = Task("triad", (1000,), "float64")
    hot = Survey(store, small, lambda _doing: None)
    cold = Survey(store, Task("triad", (1000,), "float64", policy="flush"), lambda _doing: None)
    assert cold.bounds.efficiency.time_s == pytest.approx(moved_s(20e9, small))
    assert hot.bounds.efficiency.time_s < cold.bounds.efficiency.time_s / 5


@pytest.mark.slow
def test_a_survey_of_this_machine_is_brief_where_it_is_known(real_store):
    with open_store(str(real_store)) as store:
        said = []
        survey = Survey(store, TASK, said.append)
        assert 0 < survey.bounds.reject.time_s < survey.bounds.efficiency.time_s
        assert not any("sqrt" in step for step in said), "it has no use for square roots"
