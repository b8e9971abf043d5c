"""The share of what the machine gives at the time: ceilings of each round, and a kernel whose caches are hot again."""

import pytest

from benchmarks import moment, peaks
from benchmarks.machine import fingerprint
from benchmarks.moment import SAMPLES, HotCall, share_of_the_moment
from benchmarks.peaks import Figure, Peaks, Variant
from kernels.contract import Work
from kernels.language import SourceFolder

WORK = Work({"fma": 500}, 0, 0)
"""A thousand operations."""


class Planted:
    """The loops of a machine whose rate is another one in every pass."""

    def __init__(self, per_s):
        self._per_s, self.rates = iter(per_s), {}

    def measure_pass(self):
        self.rates = {("flop_per_s", "float64", "fma", "1"): next(self._per_s)}
        yield "arithmetic"

    def forget(self):
        self.rates = {}

    def close(self):
        pass


def share(monkeypatch, per_s, taken_s):
    monkeypatch.setattr(moment, "ROUNDS", len(taken_s))
    monkeypatch.setattr(peaks, "Peaks", lambda *_: Planted([*[1e12] * (peaks.TRIAL_PASSES + 1), *per_s]))
    return share_of_the_moment(WORK, "float64", (), 1, None, iter(taken_s).__next__)


def test_a_kernel_is_held_against_the_ceilings_of_its_own_round(monkeypatch):
    slow_and_fast = [1e9, 2e9, 4e9] * 4
    found = share(monkeypatch, slow_and_fast, [1000 / rate / 0.9 for rate in slow_and_fast])
    assert found.estimate == pytest.approx(0.9)
    assert found.low == pytest.approx(found.high)


def test_what_only_moves_bytes_is_held_against_traffic_alone(monkeypatch):
    levels = {("bytes_per_s", "DRAM", pattern, "1"): 1e9 for pattern in ("copy", "copy_stream")}
    monkeypatch.setattr(Planted, "measure_pass", lambda self: iter([self.rates.update(levels)]))
    monkeypatch.setattr(moment, "ROUNDS", 6)
    monkeypatch.setattr(peaks, "Peaks", lambda *_: Planted([]))
    found = share_of_the_moment(Work({}, 500, 500), "float32", (), 1, None, lambda: 2e-6)
    assert found.estimate == pytest.approx(0.5)


def test_what_differs_from_round_to_round_is_the_interval(monkeypatch):
    found = share(monkeypatch, [1e9] * 12, [1e-6 / part for part in (0.7, 0.8, 0.9) * 4])
    assert (found.low, found.estimate, found.high) == pytest.approx((0.7, 0.8, 0.9))


def test_what_the_ceilings_drove_from_the_caches_comes_back_uncounted():
    calls = []
    HotCall(lambda: calls.append(1), 1e-3)()
    assert len(calls) == 1 + SAMPLES
    calls.clear()
    HotCall(lambda: calls.append(1), 1e-5)()
    assert len(calls) == 8 + 20 * SAMPLES
    calls.clear()
    HotCall(lambda: calls.append(1), 1e-3, threads=2)()
    assert len(calls) == 20 + SAMPLES  # until each thread has a core of its own


def test_ceilings_forget_what_an_earlier_moment_gave():
    loops = Peaks.__new__(Peaks)
    loops.groups = {"traffic": [Figure(("x",), [Variant(float, lambda _: None, 2.0, 1, 50.0)])]}
    loops.forget()
    [*loops.measure_pass()]
    assert loops.rates == {("x",): 2.0}


@pytest.mark.parametrize("threads", [1, 2])
def test_the_real_loops_bound_a_call_of_any_number_of_threads(tmp_path, threads):
    folder = SourceFolder(tmp_path)
    found = share_of_the_moment(WORK, "float64", fingerprint().caches, threads, folder, lambda: 1e-6)
    assert 0.001 < found.low <= found.estimate <= found.high < 1
