"""An evolution in which there is nothing to gain."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trials.verdict import Setting
from evolve import nothing
from evolve.nothing import null_evolution
from evolve.store import open_store


def _told(speedup, product):
    champion = {"speedup": speedup} if speedup != "none" else None
    return {"champion": champion, "naive_product": product, "evaluations": 320}


@pytest.mark.parametrize(
    ("speedup", "holds", "low"),
    [
        ({"estimate": 1.004, "low": 0.99, "high": 1.02}, True, 0.99),
        ({"estimate": 1.03, "low": 1.01, "high": 1.05}, False, 1.01),
        ({"estimate": 1.03, "low": None, "high": None}, True, 0.0),
        (None, True, 1.0),
        ("none", True, 1.0),
    ],
    ids=["one is inside", "a gain from nothing", "one launch", "not promoted", "no champion"],
)
def test_what_is_published_must_contain_1(monkeypatch, speedup, holds, low):
    monkeypatch.setattr(nothing, "_evolved", lambda _setting, _generations: _told(speedup, 1.7))
    (found,) = null_evolution(None)
    assert (found.holds, found.found.low) == (holds, low)
    assert "1.70x" in found.remark
    assert ("nothing was promoted" in found.remark) is (speedup in (None, "none"))


@pytest.mark.slow
def test_the_real_loop_evolves_nothing_from_nothing(real_store, folder_of_trials, monkeypatch):
    monkeypatch.setattr(nothing, "open_store", lambda _path: open_store(str(real_store)))
    monkeypatch.setattr("evolve.gate.wait_until_quiet", lambda _limit_s: [])
    told = []
    rng = np.random.default_rng(1)
    setting = Setting(folder_of_trials, None, 0.01, rng, lambda done, total: told.append((done, total)))
    (found,) = null_evolution(setting, generations=1)
    assert found.details["evaluations"] == nothing.BATCH
    assert found.found.low <= found.found.high
    assert told[-1] == (0, 1)


@pytest.fixture
def folder_of_trials(tmp_path):
    from kernels.language import SourceFolder

    return SourceFolder(tmp_path)
